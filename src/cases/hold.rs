//! The clock of a charge: its deadline by a limit, and the times in which it stands still (挂账). Pure.

use super::rules::{Assignment, Dispatch};
use crate::{
    calendar::rules::{Calendar, LimitKind, Pause},
    error::{Code, Error},
};
use chrono::{DateTime, TimeDelta, Utc};

impl Dispatch {
    /// The deadline: the one that is named, or the one that the limit gives.
    ///
    /// # Errors
    /// `due_at_invalid` for one that does not lie ahead, `value_invalid` for none or two.
    pub fn deadline(&self, now: DateTime<Utc>, calendar: &Calendar) -> Result<DateTime<Utc>, Error> {
        match (self.due_at, self.limit) {
            (Some(due_at), None) if due_at > now => Ok(due_at),
            (Some(_), None) => Err(Code::DueAtInvalid.with("due_at must lie ahead")),
            (None, Some(limit)) => {
                calendar.due(now, limit, &[]).at.ok_or_else(|| Error::internal("a limit without an end"))
            }
            _ => Err(Code::ValueInvalid.with("due_at or limit: one of them")),
        }
    }
}

impl Assignment {
    /// Whether its clock stands still now.
    #[must_use]
    pub fn on_hold(&self) -> bool {
        self.pauses.last().is_some_and(|pause| pause.until.is_none())
    }

    /// Stops its clock.
    #[must_use]
    pub fn held(mut self, now: DateTime<Utc>) -> Assignment {
        self.pauses.push(Pause { from: now, until: None });
        Assignment { hold: None, ..self }
    }

    /// Lets its clock go on, if it stands still: what was left of the time when it stopped is left again. A deadline
    /// that had passed by then stays where it was.
    #[must_use]
    pub fn resumed(mut self, now: DateTime<Utc>, calendar: &Calendar) -> Assignment {
        let Some(pause) = self.pauses.last_mut().filter(|pause| pause.until.is_none()) else { return self };
        pause.until = Some(now);
        let kind = self.limit.map_or(LimitKind::UrgentHour, |limit| limit.kind);
        let left = calendar.elapsed(kind, pause.from, self.due_at, &[]);
        if left > TimeDelta::zero() {
            self.due_at = calendar.after(now, kind, left, &[]).at.unwrap_or(self.due_at);
        }
        self
    }
}
