//! One timer for all the waits of a connection, which come one after the other.
//!
//! A wait that is over leaves the timer as it is. Gone off too early, it is set to the wait of that
//! moment: a busy connection then sets a timer twice a second, and not twice a request.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::rt;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::clock;

/// The timer; clones share it.
#[derive(Clone, Default)]
pub(crate) struct Alarm(Arc<Mutex<Option<Pin<Box<Sleep>>>>>);

impl Alarm {
    /// Ready once the deadline has passed; until then the caller is woken at the deadline, and now
    /// and then for nothing.
    pub(crate) fn poll_passed(&self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        let mut timer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let timer = timer.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if deadline < timer.deadline() {
            timer.as_mut().reset(deadline);
        }
        while timer.as_mut().poll(cx).is_ready() {
            if deadline <= timer.deadline() {
                return Poll::Ready(());
            }
            timer.as_mut().reset(deadline);
        }
        Poll::Pending
    }
}

/// hyper's waits for a request's head.
impl rt::Timer for Alarm {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn rt::Sleep>> {
        self.sleep_until(self.now() + duration)
    }

    fn sleep_until(&self, deadline: std::time::Instant) -> Pin<Box<dyn rt::Sleep>> {
        Box::pin(Wait {
            alarm: self.clone(),
            deadline: deadline.into(),
        })
    }

    fn now(&self) -> std::time::Instant {
        clock::instant().into()
    }
}

struct Wait {
    alarm: Alarm,
    deadline: Instant,
}

impl rt::Sleep for Wait {}

impl Future for Wait {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.alarm.poll_passed(cx, self.deadline)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    async fn passed(alarm: &Alarm, deadline: Instant) {
        poll_fn(|cx| alarm.poll_passed(cx, deadline)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_ends_at_its_deadline_whatever_was_waited_for_before() {
        let alarm = Alarm::default();
        let start = clock::instant();
        let at = |millis| start + Duration::from_millis(millis);
        for (given_up, deadline) in [(500, 900), (60_000, 1_300), (1_400, 1_401), (1_401, 9_000)] {
            poll_fn(|cx| Poll::Ready(alarm.poll_passed(cx, at(given_up)).is_pending())).await;
            passed(&alarm, at(deadline)).await;
            assert_eq!(clock::instant(), at(deadline), "after {given_up}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_that_has_passed_is_not_waited_for() {
        let alarm = Alarm::default();
        let start = clock::instant();
        passed(&alarm, start).await;
        passed(&alarm, start + Duration::from_secs(1)).await;
        passed(&alarm, start).await;
        assert_eq!(clock::instant(), start + Duration::from_secs(1));
    }
}
