//! The bytes of an image while it is registered.

use memmap2::MmapMut;

/// From so many bytes on, memory comes from the system and goes back to it. That costs a page fault for
/// every page, which smaller ones are spared.
const LARGE: usize = 4 << 20;

/// Bytes that grow up to the room that was made for them.
///
/// Large ones lie in memory of their own. The allocator would keep it for the next ones of about that
/// size, in each of its arenas: with many uploads at a time twice as much as they take.
#[derive(Debug)]
pub enum Held {
    /// In memory of their own, of which so much is theirs already.
    Own(MmapMut, usize),
    /// On the heap.
    Allocated(Vec<u8>),
}

impl Held {
    /// Makes room. Memory of its own is not taken before it is written to.
    pub(crate) fn with_room(room: usize) -> Self {
        if room >= LARGE
            && let Ok(memory) = MmapMut::map_anon(room)
        {
            return Self::Own(memory, 0);
        }
        Self::Allocated(Vec::with_capacity(room))
    }

    pub(crate) fn len(&self) -> usize {
        self.as_ref().len()
    }

    /// Appends bytes.
    pub(crate) fn extend(&mut self, bytes: &[u8]) {
        match self {
            Self::Own(memory, len) => match memory.get_mut(*len..*len + bytes.len()) {
                Some(room) => {
                    room.copy_from_slice(bytes);
                    *len += bytes.len();
                }
                // More than was said at first.
                None => *self = Self::Allocated([self.as_ref(), bytes].concat()),
            },
            Self::Allocated(allocated) => allocated.extend_from_slice(bytes),
        }
    }
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::Own(memory, len) => memory.get(..*len).unwrap_or_default(),
            Self::Allocated(allocated) => allocated,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn bytes_are_held_as_they_came(
            pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..2000), 0..10),
            room in prop_oneof![Just(0), Just(100), Just(LARGE)]
        ) {
            let mut held = Held::with_room(room);
            for piece in &pieces {
                held.extend(piece);
            }
            prop_assert_eq!(held.len(), pieces.concat().len());
            prop_assert_eq!(held.as_ref(), pieces.concat());
        }
    }

    #[test]
    fn large_ones_have_memory_of_their_own_as_long_as_they_fit() {
        let mut held = Held::with_room(LARGE);
        held.extend(&vec![1; LARGE - 1]);
        held.extend(&[2]);
        assert!(matches!(held, Held::Own(..)));
        held.extend(&[3]);
        assert_eq!(held.len(), LARGE + 1);
        assert_eq!(held.as_ref()[LARGE - 2..], [1, 2, 3]);
    }
}
