//! Waiting for room. What is given to whom is tested with the budget.

use super::*;

const KIB: u64 = 1024;

const PATIENCE: Patience = Patience {
    standstill: Duration::from_millis(50),
    total: Duration::from_millis(500),
};

fn client(number: u8) -> ClientKey {
    ClientKey::from_address([127, 0, 0, number].into())
}

/// A budget of so many KiB.
fn admission(budget: usize) -> Admission {
    let bytes = budget * 1024;
    Admission::new(bytes, bytes as u64, PATIENCE)
}

async fn holding(admission: &Admission, kib: u64) -> Share {
    let mut share = admission.enter(client(1), kib * KIB);
    share.cover(kib * KIB).await.unwrap();
    share
}

#[tokio::test(start_paused = true)]
async fn an_upload_waits_for_room_and_gives_up() {
    let admission = admission(10);
    let first = holding(&admission, 8).await;
    let mut second = admission.enter(client(1), 4 * KIB);
    let began = Instant::now();
    assert_eq!(second.cover(4 * KIB).await, Err(Overloaded));
    assert_eq!(began.elapsed(), PATIENCE.standstill);
    drop(second);
    let mut third = admission.enter(client(1), 4 * KIB);
    let (outcome, ()) = tokio::join!(third.cover(4 * KIB), async {
        tokio::time::sleep(PATIENCE.standstill / 2).await;
        drop(first);
    });
    assert_eq!(outcome, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn an_upload_waits_for_as_long_as_others_move() {
    let admission = admission(10);
    let mut first = holding(&admission, 10).await;
    let mut second = admission.enter(client(1), 4 * KIB);
    let moving = async {
        for _ in 0..8 {
            tokio::time::sleep(PATIENCE.standstill / 2).await;
            first.cover(1).await.unwrap();
        }
        drop(first);
    };
    let (outcome, ()) = tokio::join!(second.cover(4 * KIB), moving);
    assert_eq!(outcome, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn an_upload_does_not_wait_for_ever() {
    let admission = admission(10);
    let mut first = holding(&admission, 10).await;
    let mut second = admission.enter(client(1), 4 * KIB);
    let moving = async {
        loop {
            tokio::time::sleep(PATIENCE.standstill / 2).await;
            first.cover(1).await.unwrap();
        }
    };
    let began = Instant::now();
    tokio::select! {
        outcome = second.cover(4 * KIB) => assert_eq!(outcome, Err(Overloaded)),
        () = moving => {}
    }
    assert_eq!(began.elapsed(), PATIENCE.total);
}

#[tokio::test(start_paused = true)]
async fn large_uploads_never_keep_small_ones_out() {
    let admission = Admission::new(1 << 20, 64 * KIB, PATIENCE);
    let mut large = Vec::new();
    loop {
        let mut share = admission.enter(client(1), 64 * KIB);
        if share.cover(64 * KIB).await.is_err() {
            break;
        }
        large.push(share.keep_with(vec![0; 64 * 1024]));
    }
    assert_eq!(large.len(), 14);
    let mut small = admission.enter(client(1), 4 * KIB);
    assert_eq!(small.cover(4 * KIB).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn the_share_lives_as_long_as_the_bytes() {
    let admission = admission(10);
    let bytes = holding(&admission, 10).await.keep_with(vec![0; 9 * 1024]);
    let copy = bytes.slice(10..20);
    drop(bytes);
    let mut second = admission.enter(client(1), 2 * KIB);
    assert_eq!(second.cover(2 * KIB).await, Err(Overloaded));
    drop((copy, second));
    holding(&admission, 10).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_not_kept_is_given_back_at_once() {
    let admission = admission(10);
    let _bytes = holding(&admission, 10).await.keep_with(vec![0; 1024]);
    holding(&admission, 9).await;
}
