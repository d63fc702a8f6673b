//! When the last byte passed to each service, in a file: so that whoever starts after a death of this process can tell
//! the log what it had no time to tell.
//!
//! A slot a service, written in place and never synced: the kernel has what a killed process wrote. Where the power
//! failed, a mark may be old, and what the log has of the service's traffic is newer.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;

use eai_core::ids::ServiceId;
use uuid::Uuid;

/// The id, the time in milliseconds since 1970, and the two together once more.
const SLOT: usize = 32;
/// So that a slot of zeros is none.
const SEAL: u64 = u64::from_be_bytes(*b"eai.mark");

/// The marks, as they are in the file.
#[derive(Debug)]
pub(super) struct Marks {
    file: Option<Arc<File>>,
    slots: BTreeMap<ServiceId, Slot>,
    next: u64,
    /// Nothing was known when it was opened.
    fresh: bool,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    at: u64,
    last: u64,
}

/// Marks that are to be written.
#[derive(Debug, Default)]
pub(super) struct Batch {
    file: Option<Arc<File>>,
    slots: Vec<(u64, [u8; SLOT])>,
}

// === impl Marks ===

impl Marks {
    /// Reads the marks that there are.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        let length = file.metadata()?.len();
        let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
        file.read_exact_at(&mut bytes, 0)?;
        let mut marks = Self {
            file: Some(Arc::new(file)),
            ..Self::nowhere()
        };
        for (at, slot) in (0..).zip(bytes.chunks_exact(SLOT)) {
            marks.next = at + 1;
            if let Some((service, last)) = read(slot) {
                marks.fresh = false;
                marks.slots.insert(service, Slot { at, last });
            }
        }
        Ok(marks)
    }

    /// Marks that nobody will find.
    pub(super) fn nowhere() -> Self {
        Self {
            file: None,
            slots: BTreeMap::new(),
            next: 0,
            fresh: true,
        }
    }

    /// Whether nothing was known when they were opened.
    pub(super) fn is_fresh(&self) -> bool {
        self.fresh
    }

    /// The mark of a service.
    pub(super) fn last(&self, service: ServiceId) -> Option<u64> {
        self.slots.get(&service).map(|slot| slot.last)
    }

    /// Sets marks; what changed is to be written.
    pub(super) fn set(&mut self, marks: impl Iterator<Item = (ServiceId, u64)>) -> Batch {
        let mut batch = Batch {
            file: self.file.clone(),
            slots: Vec::new(),
        };
        for (service, last) in marks {
            let next = &mut self.next;
            let slot = self.slots.entry(service).or_insert_with(|| {
                *next += 1;
                Slot {
                    at: *next - 1,
                    last: 0,
                }
            });
            if slot.last != last {
                slot.last = last;
                batch.slots.push((slot.at, written(service, last)));
            }
        }
        batch
    }
}

// === impl Batch ===

impl Batch {
    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty() || self.file.is_none()
    }

    /// Writes them. May take as long as the disk is busy.
    pub(super) fn write(self) -> io::Result<()> {
        let Some(file) = self.file else {
            return Ok(());
        };
        for (at, slot) in self.slots {
            file.write_all_at(&slot, at * SLOT as u64)?;
        }
        Ok(())
    }
}

fn seal(id: Uuid, last: u64) -> u64 {
    let (high, low) = id.as_u64_pair();
    high ^ low.rotate_left(1) ^ last.rotate_left(2) ^ SEAL
}

fn written(service: ServiceId, last: u64) -> [u8; SLOT] {
    let mut slot = [0; SLOT];
    slot[..16].copy_from_slice(service.0.as_bytes());
    slot[16..24].copy_from_slice(&last.to_be_bytes());
    slot[24..].copy_from_slice(&seal(service.0, last).to_be_bytes());
    slot
}

fn read(slot: &[u8]) -> Option<(ServiceId, u64)> {
    let (id, rest) = slot.split_first_chunk::<16>()?;
    let (last, rest) = rest.split_first_chunk::<8>()?;
    let (found, _) = rest.split_first_chunk::<8>()?;
    let (id, last) = (Uuid::from_bytes(*id), u64::from_be_bytes(*last));
    (seal(id, last) == u64::from_be_bytes(*found)).then_some((ServiceId(id), last))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(number: u128) -> ServiceId {
        ServiceId(Uuid::from_u128(number))
    }

    #[test]
    fn marks_are_found_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("traffic");
        let mut marks = Marks::open(&path).unwrap();
        assert!(marks.is_fresh());
        marks
            .set([(service(1), 10), (service(2), 20)].into_iter())
            .write()
            .unwrap();
        assert!(
            marks.set([(service(1), 10)].into_iter()).is_empty(),
            "nothing is new"
        );
        marks.set([(service(1), 30)].into_iter()).write().unwrap();

        let mut again = Marks::open(&path).unwrap();
        assert!(!again.is_fresh());
        assert_eq!(again.last(service(1)), Some(30));
        assert_eq!(again.last(service(2)), Some(20));
        assert_eq!(again.last(service(3)), None);
        again.set([(service(3), 1)].into_iter()).write().unwrap();
        assert_eq!(Marks::open(&path).unwrap().last(service(3)), Some(1));
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 3 * SLOT as u64);
    }

    #[test]
    fn what_is_no_mark_is_passed_over() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("traffic");
        let mut bytes = vec![0; SLOT];
        bytes.extend(written(service(7), 70));
        bytes.extend(&written(service(8), 80)[..SLOT - 1]);
        std::fs::write(&path, bytes).unwrap();
        let mut marks = Marks::open(&path).unwrap();
        assert_eq!(marks.last(service(7)), Some(70));
        assert_eq!(marks.last(service(8)), None);
        marks.set([(service(9), 90)].into_iter()).write().unwrap();
        assert_eq!(Marks::open(&path).unwrap().last(service(9)), Some(90));
    }
}
