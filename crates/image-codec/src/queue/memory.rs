//! The memory budget for pixels, with a reserve for small work.

/// The reserve is the memory divided by this.
const RESERVE_PART: u64 = 8;

/// A byte budget shared by all pictures and never exceeded.
///
/// Large work takes the main part first, and only the rest from the reserve. Small work, which fits into
/// the reserve, takes from either.
#[derive(Debug)]
pub(super) struct Memory {
    main: Pot,
    reserve: Pot,
}

/// A reservation.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Portion {
    main: u64,
    reserve: u64,
}

#[derive(Debug)]
struct Pot {
    size: u64,
    used: u64,
}

impl Pot {
    fn new(size: u64) -> Self {
        Self { size, used: 0 }
    }

    fn has(&self, bytes: u64) -> bool {
        bytes <= self.size - self.used
    }
}

impl Memory {
    pub(super) fn new(total: u64) -> Self {
        let reserve = total / RESERVE_PART;
        Self {
            main: Pot::new(total - reserve),
            reserve: Pot::new(reserve),
        }
    }

    /// The whole budget, in bytes.
    pub(super) fn total(&self) -> u64 {
        self.main.size + self.reserve.size
    }

    /// The bytes that are reserved.
    pub(super) fn used(&self) -> u64 {
        self.main.used + self.reserve.used
    }

    /// Whether that many bytes are free.
    pub(super) fn has(&self, bytes: u64) -> bool {
        self.is_free(&self.portion(bytes))
    }

    /// Reserves that many bytes, if they are free.
    pub(super) fn take(&mut self, bytes: u64) -> Option<Portion> {
        self.take_portion(self.portion(bytes))
    }

    /// Reserves that many bytes from the reserve, if they are free there.
    pub(super) fn take_of_reserve(&mut self, bytes: u64) -> Option<Portion> {
        self.take_portion(Portion {
            main: 0,
            reserve: bytes,
        })
    }

    pub(super) fn give_back(&mut self, portion: &Portion) {
        self.main.used -= portion.main;
        self.reserve.used -= portion.reserve;
    }

    /// How that many bytes would be taken from the two parts.
    fn portion(&self, bytes: u64) -> Portion {
        let is_small = bytes <= self.reserve.size;
        let main = if is_small && !self.main.has(bytes) {
            0
        } else {
            bytes.min(self.main.size)
        };
        Portion {
            main,
            reserve: bytes - main,
        }
    }

    fn is_free(&self, portion: &Portion) -> bool {
        self.main.has(portion.main) && self.reserve.has(portion.reserve)
    }

    fn take_portion(&mut self, portion: Portion) -> Option<Portion> {
        if !self.is_free(&portion) {
            return None;
        }
        self.main.used += portion.main;
        self.reserve.used += portion.reserve;
        Some(portion)
    }
}

impl Portion {
    /// Splits off everything above that many bytes, from the reserve first.
    pub(super) fn split_above(&mut self, bytes: u64) -> Self {
        let spare = (self.main + self.reserve).saturating_sub(bytes);
        let reserve = spare.min(self.reserve);
        let main = spare - reserve;
        self.main -= main;
        self.reserve -= reserve;
        Self { main, reserve }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_work_takes_the_main_part_first() {
        let mut memory = Memory::new(80);
        let large = memory.take(75);
        assert_eq!(
            large,
            Some(Portion {
                main: 70,
                reserve: 5
            })
        );
        assert!(memory.take(6).is_none());
        assert!(memory.take(5).is_some());
        assert!(memory.take(1).is_none());
    }

    #[test]
    fn small_work_is_left_the_reserve() {
        let mut memory = Memory::new(80);
        let large = memory.take(40).unwrap();
        assert!(memory.take(31).is_none(), "the reserve is for small work");
        assert!(memory.take(30).is_some());
        assert!(memory.take(10).is_some());
        assert!(memory.take(1).is_none());
        memory.give_back(&large);
        assert!(memory.take(41).is_none());
        assert!(memory.take(40).is_some());
    }

    #[test]
    fn more_than_all_is_never_taken() {
        let mut memory = Memory::new(80);
        assert!(memory.take(81).is_none());
        assert!(memory.take(u64::MAX).is_none());
        assert!(memory.take_of_reserve(11).is_none());
        assert!(memory.take(memory.total()).is_some());
    }

    #[test]
    fn bytes_split_off_are_free_again() {
        let mut memory = Memory::new(80);
        let mut held = memory.take(80).unwrap();
        memory.give_back(&held.split_above(100));
        assert!(memory.take(1).is_none(), "a portion never grows");
        memory.give_back(&held.split_above(65));
        assert!(memory.take_of_reserve(11).is_none());
        assert!(memory.take_of_reserve(10).is_some());
        assert!(memory.take(6).is_none());
        assert!(memory.take(5).is_some());
    }
}
