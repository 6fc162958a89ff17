//! Work that continues when its caller is dropped.

use std::{
    panic::AssertUnwindSafe,
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_util::{FutureExt, future::BoxFuture};
use service_kit::traces;
use tokio::runtime::Handle;

/// Runs `work` to its end once it has been polled, even if the client disconnects and the caller is
/// dropped. Returns `None` if the work panics.
pub fn run_to_completion<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> RunToCompletion<T> {
    let work = AssertUnwindSafe(traces::with_current_trace(work)).catch_unwind();
    RunToCompletion { is_begun: false, work: Some(work.map(Result::ok).boxed()) }
}

/// Polled by the caller; spawned as a detached task only if the caller is dropped. A task from the
/// start would cost more than most work.
#[must_use = "nothing is done until it is awaited"]
pub struct RunToCompletion<T: Send + 'static> {
    is_begun: bool,
    /// `None` once the work is done.
    work: Option<BoxFuture<'static, Option<T>>>,
}

impl<T: Send + 'static> Future for RunToCompletion<T> {
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        self.is_begun = true;
        let Some(work) = &mut self.work else { return Poll::Ready(None) };
        let outcome = ready!(work.as_mut().poll(context));
        self.work = None;
        Poll::Ready(outcome)
    }
}

impl<T: Send + 'static> Drop for RunToCompletion<T> {
    fn drop(&mut self) {
        if !self.is_begun {
            return;
        }
        // Without a runtime the process is about to exit.
        if let (Some(work), Ok(runtime)) = (self.work.take(), Handle::try_current()) {
            runtime.spawn(work);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, task::Waker, time::Duration};

    use tokio::sync::oneshot;

    use super::*;

    #[actix_web::test]
    async fn work_continues_when_its_caller_is_dropped() {
        let (resume, resumed) = oneshot::channel::<()>();
        let (done, is_done) = oneshot::channel();
        let mut work = run_to_completion(async move {
            resumed.await.unwrap();
            done.send(()).unwrap();
        });
        assert!(work.poll_unpin(&mut Context::from_waker(Waker::noop())).is_pending());
        drop(work);
        resume.send(()).unwrap();
        tokio::time::timeout(Duration::from_secs(10), is_done).await.unwrap().unwrap();
    }

    #[actix_web::test]
    async fn work_that_is_never_polled_does_not_begin() {
        let (done, is_done) = oneshot::channel::<()>();
        drop(run_to_completion(async move { done.send(()) }));
        is_done.await.unwrap_err();
    }

    #[actix_web::test]
    async fn panic_of_the_work_is_reported() {
        assert_eq!(run_to_completion(async { 1 }).await, Some(1));
        let panics = poll_fn(|_| -> Poll<()> { panic!("expected by this test") });
        assert_eq!(run_to_completion(panics).await, None);
    }
}
