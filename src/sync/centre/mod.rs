//! What the Centre sees of sync: the review queue, the health of devices, the loss ledger, receipts.

pub mod routes;
