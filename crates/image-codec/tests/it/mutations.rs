//! Damaged files are refused or decoded, without any other effect.

use domain::ports::CodecError;
use proptest::{
    collection::vec,
    prelude::*,
    sample::{Index, select},
};

use crate::samples::{SIDES, all, decode_at};

/// What happens to a file.
#[derive(Debug, Clone)]
enum Damage {
    Set(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index, usize),
    Repeat(Index, usize),
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        4 => (any::<Index>(), any::<u8>()).prop_map(|(at, to)| Damage::Set(at, to)),
        1 => (any::<Index>(), vec(any::<u8>(), 1..9)).prop_map(|(at, new)| Damage::Insert(at, new)),
        1 => (any::<Index>(), 1..99_usize).prop_map(|(at, len)| Damage::Remove(at, len)),
        1 => (any::<Index>(), 1..99_usize).prop_map(|(at, len)| Damage::Repeat(at, len)),
    ]
}

fn apply(file: &mut Vec<u8>, damage: &Damage) {
    // Headers are small, and damage shows most there: every other hit goes there.
    let place = |index: &Index, len: usize| {
        let at = index.index(2 * len);
        if at < len {
            at
        } else {
            (at - len) % len.min(200)
        }
    };
    let len = file.len();
    match damage {
        Damage::Set(at, to) => file[place(at, len)] = *to,
        Damage::Insert(at, new) => {
            let at = place(at, len);
            file.splice(at..at, new.iter().copied());
        }
        Damage::Remove(at, count) => {
            let at = place(at, len);
            file.drain(at..len.min(at + count));
        }
        Damage::Repeat(at, count) => {
            let at = place(at, len);
            let part = file[at..len.min(at + count)].to_vec();
            file.splice(at..at, part);
        }
    }
}

#[test]
fn a_damaged_file_does_no_harm() {
    let files = all();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    proptest!(ProptestConfig::with_cases(1200), |(
        which in any::<Index>(),
        max_side in select(&SIDES[..]),
        damages in vec(damage(), 1..6),
    )| {
        let (name, mut file) = which.get(&files).clone();
        for damage in &damages {
            if !file.is_empty() {
                apply(&mut file, damage);
            }
        }
        let outcome = runtime.block_on(decode_at(max_side, file));
        prop_assert!(!matches!(outcome, Err(CodecError::Failed(_))), "{name} for {max_side}: {outcome:?}");
    });
}
