//! What operators see of uploads: counters of this process, in the text format of Prometheus.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// Upper ends of the buckets of times, milliseconds.
const ENDS: [u64; 12] = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 5000, 30_000];

/// How long something took, how often.
#[derive(Default)]
struct Times {
    buckets: [AtomicU64; ENDS.len()],
    count: AtomicU64,
    sum_us: AtomicU64,
}

impl Times {
    fn took(&self, time: Duration) {
        if let Some(bucket) = ENDS.iter().position(|end| time <= Duration::from_millis(*end)) {
            self.buckets[bucket].fetch_add(1, Relaxed);
        }
        self.count.fetch_add(1, Relaxed);
        self.sum_us.fetch_add(u64::try_from(time.as_micros()).unwrap_or(u64::MAX), Relaxed);
    }

    fn write(&self, text: &mut String, name: &str, help: &str) {
        let mut below = 0;
        line(text, format_args!("# HELP {name} {help}\n# TYPE {name} histogram"));
        for (end, bucket) in ENDS.iter().zip(&self.buckets) {
            below += bucket.load(Relaxed);
            line(text, format_args!("{name}_bucket{{le=\"{}\"}} {below}", Duration::from_millis(*end).as_secs_f64()));
        }
        let count = self.count.load(Relaxed);
        line(text, format_args!("{name}_bucket{{le=\"+Inf\"}} {count}"));
        let sum = Duration::from_micros(self.sum_us.load(Relaxed)).as_secs_f64();
        line(text, format_args!("{name}_sum {sum}\n{name}_count {count}"));
    }
}

/// The counters of one process, since its start.
#[derive(Default)]
pub(super) struct Metrics {
    received: AtomicU64,
    accepted: AtomicU64,
    takeovers: AtomicU64,
    conflicts: AtomicU64,
    syncs: Times,
    finishes: Times,
}

/// What is asked for at the moment of the reading.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    /// Uploads that take bytes, of all processes.
    pub(super) open: i64,
    /// Uploads that are being verified, of all processes.
    pub(super) finalizing: i64,
    /// Bodies that this process takes right now.
    pub(super) bodies: usize,
    /// Free bytes on the disk of the uploads.
    pub(super) free: u64,
}

impl Metrics {
    /// Bytes of a body came.
    pub(super) fn received(&self, bytes: i64) {
        self.received.fetch_add(bytes.unsigned_abs(), Relaxed);
    }

    /// Bytes became durable and count.
    pub(super) fn accepted(&self, bytes: i64) {
        self.accepted.fetch_add(bytes.unsigned_abs(), Relaxed);
    }

    /// A writer was stopped for another request.
    pub(super) fn taken_over(&self) {
        self.takeovers.fetch_add(1, Relaxed);
    }

    /// A request was answered 409.
    pub(super) fn conflict(&self) {
        self.conflicts.fetch_add(1, Relaxed);
    }

    /// A file was made durable.
    pub(super) fn synced(&self, time: Duration) {
        self.syncs.took(time);
    }

    /// An upload with all its bytes was decided.
    pub(super) fn finished(&self, time: Duration) {
        self.finishes.took(time);
    }

    /// Everything, as text.
    pub(super) fn text(&self, now: Moment) -> String {
        let mut text = String::new();
        let mut one = |name: &str, kind: &str, help: &str, value: u64| {
            line(
                &mut text,
                format_args!(
                    "# HELP chengguan_{name} {help}\n# TYPE chengguan_{name} {kind}\nchengguan_{name} {value}"
                ),
            );
        };
        let count = |value: i64| value.unsigned_abs();
        one("uploads_open", "gauge", "Uploads that take bytes, of all processes.", count(now.open));
        one("uploads_finalizing", "gauge", "Uploads being verified, of all processes.", count(now.finalizing));
        one("upload_bodies", "gauge", "Request bodies that this process takes right now.", now.bodies as u64);
        one("upload_free_bytes", "gauge", "Free bytes on the disk of the uploads.", now.free);
        let counter = "counter";
        one("upload_received_bytes_total", counter, "Bytes of bodies that came.", self.received.load(Relaxed));
        one("upload_accepted_bytes_total", counter, "Bytes that became durable.", self.accepted.load(Relaxed));
        one("upload_takeovers_total", counter, "Writers stopped for a newer request.", self.takeovers.load(Relaxed));
        one("upload_conflicts_total", counter, "Requests answered 409.", self.conflicts.load(Relaxed));
        self.syncs.write(&mut text, "chengguan_upload_sync_seconds", "Time to make received bytes durable.");
        self.finishes.write(&mut text, "chengguan_upload_finish_seconds", "Time to verify and accept a file.");
        text
    }
}

fn line(text: &mut String, what: std::fmt::Arguments) {
    text.push_str(&format!("{what}\n"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_holds_cumulative_buckets() {
        let metrics = Metrics::default();
        metrics.synced(Duration::from_millis(3));
        metrics.synced(Duration::from_millis(300));
        metrics.received(10);
        metrics.accepted(7);
        let text = metrics.text(Moment { open: 2, finalizing: 0, bodies: 1, free: 5 });
        for expected in [
            "chengguan_uploads_open 2\n",
            "chengguan_upload_received_bytes_total 10\n",
            "chengguan_upload_accepted_bytes_total 7\n",
            "chengguan_upload_sync_seconds_bucket{le=\"0.002\"} 0\n",
            "chengguan_upload_sync_seconds_bucket{le=\"0.005\"} 1\n",
            "chengguan_upload_sync_seconds_bucket{le=\"+Inf\"} 2\n",
            "chengguan_upload_sync_seconds_count 2\n",
            "chengguan_upload_finish_seconds_count 0\n",
        ] {
            assert!(text.contains(expected), "{expected} in {text}");
        }
    }
}
