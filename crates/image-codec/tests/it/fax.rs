//! Faxes in TIFF: every scheme shows the same picture, or is refused when it is cut.

use domain::ports::CodecError;
use rstest::rstest;

use crate::samples::{decode, refusal};

const PICTURE: &[u8] = include_bytes!("../samples/fax.png");
const RUNS: &[u8] = include_bytes!("../samples/fax-runs.tif");
const GROUP_3: &[u8] = include_bytes!("../samples/fax-group3.tif");
const GROUP_3_FILLED: &[u8] = include_bytes!("../samples/fax-group3-filled.tif");
const GROUP_3_MIXED: &[u8] = include_bytes!("../samples/fax-group3-mixed.tif");
const GROUP_4: &[u8] = include_bytes!("../samples/fax-group4.tif");
const GROUP_4_REVERSED: &[u8] = include_bytes!("../samples/fax-group4-reversed.tif");

/// The place of the short value of an entry.
fn place(file: &[u8], tag: u16) -> usize {
    let start = u32::from_le_bytes(file[4..8].try_into().unwrap()) as usize;
    let entry = file[start + 2..]
        .chunks_exact(12)
        .position(|entry| entry[..2] == tag.to_le_bytes());
    start + 2 + 12 * entry.unwrap() + 8
}

#[rstest]
#[case::runs(RUNS)]
#[case::group_3(GROUP_3)]
#[case::group_3_filled(GROUP_3_FILLED)]
#[case::group_3_mixed(GROUP_3_MIXED)]
#[case::group_4(GROUP_4)]
#[case::group_4_reversed(GROUP_4_REVERSED)]
#[tokio::test]
async fn a_fax_of_every_scheme_is_shown(#[case] file: &'static [u8]) {
    let expected = decode(PICTURE).await.unwrap();
    assert_eq!((expected.width, expected.height), (121, 37));
    let picture = decode(file).await.unwrap();
    assert_eq!(picture.pixels, expected.pixels);
    // White is 0 instead of black.
    let mut turned = file.to_vec();
    let photometric = place(&turned, 262);
    assert_eq!(turned[photometric], 1);
    turned[photometric] = 0;
    let inverted: Vec<u8> = expected.pixels.iter().map(|sample| !sample).collect();
    assert_eq!(decode(turned).await.unwrap().pixels, inverted);
}

#[rstest]
#[case::runs(RUNS)]
#[case::group_3(GROUP_3)]
#[case::group_3_mixed(GROUP_3_MIXED)]
#[case::group_4(GROUP_4)]
#[case::group_4_reversed(GROUP_4_REVERSED)]
#[tokio::test]
async fn a_fax_that_is_cut_is_never_shown_with_rows_missing(#[case] file: &'static [u8]) {
    let expected = decode(PICTURE).await.unwrap();
    // The data are moved behind the rest, and cut there.
    let [offset, length] = [273, 279].map(|tag| place(file, tag));
    let number = |at: usize| {
        let value = u32::from_le_bytes(file[at..at + 4].try_into().unwrap());
        usize::try_from(value).unwrap()
    };
    let data = &file[number(offset)..][..number(length)];
    let mut moved = file.to_vec();
    let end = u32::try_from(file.len()).unwrap();
    moved[offset..offset + 4].copy_from_slice(&end.to_le_bytes());
    let mut whole = 0;
    for cut in 0..=data.len() {
        match decode([&moved, &data[..cut]].concat()).await {
            Ok(picture) => {
                assert_eq!(picture.pixels, expected.pixels, "cut at {cut}");
                whole += 1;
            }
            Err(refused) => assert!(matches!(refused, CodecError::NotAnImage { .. })),
        }
    }
    // Only end marks may be left out.
    assert!((1..5).contains(&whole), "{whole} of {}", data.len());
}

#[tokio::test]
async fn a_fax_whose_rows_have_another_length_is_refused() {
    for file in [RUNS, GROUP_3, GROUP_3_MIXED] {
        let mut file = file.to_vec();
        let width = place(&file, 256);
        assert_eq!(file[width], 121);
        file[width] = 120;
        assert_eq!(
            refusal(file).await,
            "the TIFF is corrupt: a row of a fax has another length"
        );
    }
}
