use super::*;

fn all(of: &Unlisted, name: u64) -> Vec<u32> {
    let mut blocks = Vec::new();
    assert_eq!(
        of.find(name, |block| {
            blocks.push(block);
            false
        }),
        None
    );
    blocks
}

#[test]
fn blocks_are_found_by_their_tags_wherever_they_lie() {
    let mut unlisted = Unlisted::new(1);
    unlisted.push(100, &[1, 2, 3]);
    unlisted.push(103, &[4]);
    unlisted.push(7, &(10..80).collect::<Vec<_>>());
    unlisted.push(500, &[3]);
    assert_eq!(unlisted.len(), 75);
    assert_eq!(unlisted.stretches.len(), 3, "neighbours are one stretch");
    assert_eq!(all(&unlisted, 4), [103]);
    assert_eq!(all(&unlisted, 79), [76]);
    assert_eq!(all(&unlisted, 3), [102, 500]);
    assert_eq!(all(&unlisted, 5), []);
    assert_eq!(unlisted.find(3, |block| block > 200), Some(500));
    assert_eq!(unlisted.sorted(), [(7, 70), (100, 4), (500, 1)]);
}

#[test]
fn the_last_are_taken_first() {
    let mut unlisted = Unlisted::new(1);
    unlisted.push(100, &[1, 2, 3]);
    unlisted.push(50, &[4, 5]);
    assert_eq!(unlisted.pop(1), Some((51, 1)));
    assert_eq!(unlisted.pop(9), Some((50, 1)));
    assert_eq!(all(&unlisted, 4), []);
    assert_eq!(unlisted.pop(2), Some((101, 2)));
    unlisted.push(101, &[6]);
    assert_eq!(unlisted.sorted(), [(100, 2)]);
    assert_eq!(unlisted.pop(2), Some((100, 2)));
    assert_eq!(unlisted.pop(2), None);
    assert_eq!(unlisted.len(), 0);
}
