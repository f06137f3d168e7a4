//! Memory for bytes between a connection and the disk: one block for every upload, more from one purse for all.
//!
//! An upload always gets its first block, so none waits for another; further blocks, which let it receive while the
//! disk is busy, come only while the purse has some. So memory is bounded whatever the number and the speed of uploads.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A block, bytes. Below what the allocator maps on its own, so that it lies in memory that is at hand already.
const BLOCK: usize = 32 * 1024;
/// Blocks of the purse: 4 MiB.
const PURSE: usize = 128;
/// Blocks one upload may hold: 1 MiB.
const MOST: usize = 32;

/// The purse, and the blocks that nobody uses right now: taking them from the allocator again and again would leave it
/// with holes that count as memory in use.
#[derive(Clone)]
pub(super) struct Blocks {
    purse: Arc<Semaphore>,
    idle: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Default for Blocks {
    fn default() -> Blocks {
        Blocks { purse: Arc::new(Semaphore::new(PURSE)), idle: Arc::default() }
    }
}

impl Blocks {
    fn block(&self, permit: Option<OwnedSemaphorePermit>) -> Block {
        let bytes = self.lock().pop().unwrap_or_else(|| Vec::with_capacity(BLOCK));
        Block { bytes, idle: self.idle.clone(), _permit: permit }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Some bytes; the memory goes back when it is dropped.
pub(super) struct Block {
    bytes: Vec<u8>,
    idle: Arc<Mutex<Vec<Vec<u8>>>>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Block {
    /// What is in it.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < PURSE {
            self.bytes.clear();
            idle.push(std::mem::take(&mut self.bytes));
        }
    }
}

/// The blocks that one upload fills.
pub(super) struct Tray {
    blocks: Blocks,
    filled: Vec<Block>,
    /// What was taken from the purse for blocks to come.
    reserved: Option<OwnedSemaphorePermit>,
    /// Of the filled ones and those that were taken away and are still being written.
    held: usize,
}

impl Tray {
    /// An empty one.
    pub(super) fn new(blocks: &Blocks) -> Tray {
        Tray { blocks: blocks.clone(), filled: Vec::new(), reserved: None, held: 0 }
    }

    /// Waits until there is memory for this many bytes. For all of it at once: whoever waits with a part in hand keeps the
    /// others waiting.
    pub(super) async fn reserve(&mut self, bytes: usize) {
        let count = bytes.div_ceil(BLOCK).saturating_sub(1).min(MOST);
        if let Ok(count) = u32::try_from(count) {
            // The purse is never closed; without a permit the blocks come one by one.
            self.reserved = self.blocks.purse.clone().acquire_many_owned(count).await.ok();
        }
    }

    /// Puts bytes in, as many as there is memory for; returns how many.
    pub(super) fn fill(&mut self, bytes: &[u8]) -> usize {
        let mut taken = 0;
        while taken < bytes.len() {
            let room = self.filled.last().map_or(0, |block| BLOCK - block.bytes.len());
            if room == 0 && !self.grow() {
                break;
            }
            if let Some(block) = self.filled.last_mut() {
                let now = (bytes.len() - taken).min(BLOCK - block.bytes.len());
                block.bytes.extend_from_slice(&bytes[taken..taken + now]);
                taken += now;
            }
        }
        taken
    }

    fn grow(&mut self) -> bool {
        let block = match self.held {
            0 => self.blocks.block(None),
            MOST.. => return false,
            _ => {
                let reserved = self.reserved.as_mut().and_then(|reserved| reserved.split(1));
                match reserved.or_else(|| self.blocks.purse.clone().try_acquire_owned().ok()) {
                    Some(permit) => self.blocks.block(Some(permit)),
                    None => return false,
                }
            }
        };
        self.held += 1;
        self.filled.push(block);
        true
    }

    /// Whether a block is full, so that writing pays.
    pub(super) fn has_full(&self) -> bool {
        self.filled.first().is_some_and(|block| block.bytes.len() == BLOCK)
    }

    /// Whether there is nothing in it.
    pub(super) fn is_empty(&self) -> bool {
        self.filled.is_empty()
    }

    /// What is in it.
    pub(super) fn parts(&self) -> impl Iterator<Item = &[u8]> {
        self.filled.iter().map(Block::bytes)
    }

    /// How much is in it, bytes.
    pub(super) fn len(&self) -> usize {
        self.parts().map(<[u8]>::len).sum()
    }

    /// Takes the blocks away to be written; [`Tray::released`] when they are.
    pub(super) fn take(&mut self) -> Vec<Block> {
        std::mem::take(&mut self.filled)
    }

    /// Gives blocks back that were taken and not written.
    pub(super) fn put_back(&mut self, blocks: Vec<Block>) {
        self.filled.splice(..0, blocks);
    }

    /// As many blocks were given back.
    pub(super) fn released(&mut self, count: usize) {
        self.held -= count.min(self.held);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_upload_gets_one_block_and_more_only_from_the_purse() {
        let blocks = Blocks::default();
        let mut trays: Vec<Tray> = (0..PURSE).map(|_| Tray::new(&blocks)).collect();
        let much = vec![7; 3 * BLOCK];
        let taken: usize = trays.iter_mut().map(|tray| tray.fill(&much)).sum();
        assert_eq!(taken, (PURSE + PURSE) * BLOCK);
        let mut late = Tray::new(&blocks);
        assert_eq!(late.fill(&much), BLOCK, "the purse is empty, its first block is its own");
        let written = late.take();
        assert_eq!((late.fill(&much), written[0].bytes().len()), (0, BLOCK), "it is still being written");
        drop(written);
        late.released(1);
        assert_eq!(late.fill(b"abc"), 3);
        assert_eq!((late.len(), late.has_full()), (3, false));
        drop(trays);
        assert_eq!(late.fill(&vec![7; 2 * MOST * BLOCK]), MOST * BLOCK - 3);
    }

    #[tokio::test]
    async fn whoever_needs_much_waits_for_all_of_it() {
        let blocks = Blocks::default();
        let most = MOST * BLOCK;
        let mut trays: Vec<Tray> = (0..PURSE / (MOST - 1)).map(|_| Tray::new(&blocks)).collect();
        for tray in &mut trays {
            tray.reserve(most).await;
        }
        let mut late = Tray::new(&blocks);
        let soon = std::time::Duration::from_millis(20);
        assert!(tokio::time::timeout(soon, late.reserve(most)).await.is_err(), "not enough is left");
        assert_eq!(trays[0].fill(&vec![7; most]), most);
        trays.pop();
        late.reserve(most).await;
        assert_eq!(late.fill(&vec![7; most]), most);
    }
}
