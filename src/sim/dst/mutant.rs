//! Planted defects: each is a mistake that a sync system has really been built with. The simulation must catch them all;
//! one that it misses means an invariant that cannot fail.

use crate::{
    client::{
        engine::{AskPush, Heard},
        keep::Queued,
    },
    identity::rules::text_enum,
    sync::wire::{OpResult, PushResponse, Status},
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

text_enum! {
    /// A defect to plant.
    Mutant {
        /// The feed's numbers are given out before the commit: a row becomes visible after later ones were read.
        NaiveCursor = "naive-cursor",
        /// A repeated operation is judged and applied again.
        NoDedupe = "no-dedupe",
        /// A push is answered before it is durable; a crash takes it back.
        AckBeforeDurable = "ack-before-durable",
        /// Copies of a device's store are not told apart.
        NoEpoch = "no-epoch",
        /// Nobody is told that a record left their sight.
        NoScopeLeave = "no-scope-leave",
        /// A push with an operation that can not apply is refused as a whole, for ever.
        HeadOfLine = "head-of-line",
        /// A snapshot's cursor is taken when its last page is read instead of when the first is.
        SnapshotNoFloor = "snapshot-no-floor",
        /// A conflict is answered but not kept.
        LostConflict = "lost-conflict",
        /// Effect and stored result are two transactions.
        HalfAtomic = "half-atomic",
        /// Effect and feed row are two transactions.
        EffectWithoutFeed = "effect-without-feed",
        /// Old rows of the feed are forgotten without raising the floor.
        EarlyGc = "early-gc",
        /// What is held is never looked at again.
        NoRelease = "no-release",
        /// What an operation builds on is not looked at.
        NoGate = "no-gate",
        /// Work that came before what it builds on is refused instead of held.
        RejectsEarly = "rejects-early",
        /// A server that was restored from a backup goes on as if nothing had happened.
        SilentRestore = "silent-restore",
        /// A refused operation is judged anew at each repeat.
        ForgetsRefusals = "forgets-refusals",
        /// The feed shows records to everybody who asks.
        LeakyFeed = "leaky-feed",
        /// A snapshot shows every record.
        LeakySnapshot = "leaky-snapshot",
        /// A reader whose rights changed goes on with the old cursor.
        StaleScope = "stale-scope",
        /// Held work is never handed to a person.
        NoEscalation = "no-escalation",
        /// The loss ledger forgets renumbered operations.
        LedgerBlindToEpochs = "ledger-blind-to-epochs",
        /// An act's time is computed by a monotonic clock of another boot.
        BlindToBoots = "blind-to-boots",
        /// A push that was taken twice counts as a copy of the device.
        TwiceIsACopy = "twice-is-a-copy",
        /// The client marks what it is sending, and a crash strands it.
        InflightMark = "inflight-mark",
        /// The client takes no answer for success.
        SilenceIsSuccess = "silence-is-success",
        /// The client forgets what was answered, so it can not heal a restored server.
        ForgetsAnswered = "forgets-answered",
        /// The client moves its cursor in another transaction than the page.
        CursorBeforePage = "cursor-before-page",
        /// A whole snapshot leaves what was there before.
        SnapshotKeepsOld = "snapshot-keeps-old",
        /// A snapshot destroys queued work on records that left the sight.
        SnapshotDropsWork = "snapshot-drops-work",
        /// After a snapshot the client does not ask what became of work that is not settled.
        SnapshotLeavesHeld = "snapshot-leaves-held",
        /// A revoked device keeps what it has read.
        WipeKeepsRecords = "wipe-keeps-records",
        /// A revoked device destroys what it has not sent.
        WipeDropsWork = "wipe-drops-work",
        /// A new person on a device gets rid of the last one's queue.
        ShiftDropsWork = "shift-drops-work",
        /// The client says which version it expects its own step to make, instead of naming the step.
        GuessedVersion = "guessed-version",
        /// The client tries again at once, for ever.
        HotRetry = "hot-retry",
        /// Digests are never compared.
        NoDigest = "no-digest",
        /// An operation that breaks the server goes with its neighbours again and again.
        NoWayOut = "no-way-out",
        /// Operations wait for the photos that belong to them.
        MediaFirst = "media-first",
    }
}

/// What a client makes of silence that takes it for success (a planted defect).
pub(super) fn success(push: &AskPush, now: DateTime<Utc>) -> Heard {
    let result = |queued: &Queued| OpResult::bare(Some(queued.op_id), Status::Applied);
    Heard::Push(Box::new(PushResponse {
        generation: push.attempt.generation.clone().unwrap_or_default(),
        server_time: now,
        push_token: push.attempt.push_token.clone().unwrap_or_default(),
        results: push.batch.iter().map(result).collect(),
        unprocessed_from: None,
        retry_after_ms: 0,
        missing_seqs: vec![],
    }))
}
