//! HashJob that is done to its end.

use std::{
    panic::AssertUnwindSafe,
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_util::{FutureExt, future::BoxFuture};
use service_kit::traces;
use tokio::runtime::Handle;

/// Runs `work` to its end, once it has begun, even if the client goes away and nobody waits for it any more. `None` if it
/// panicked.
pub fn run_to_completion<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> RunToCompletion<T> {
    RunToCompletion {
        begun: false,
        work: Some(AssertUnwindSafe(traces::with_current_trace(work)).catch_unwind().map(Result::ok).boxed()),
    }
}

/// HashJob that is done by whoever waits for it. A task of its own, which takes longer to make than most of it, it becomes
/// when nobody does.
#[must_use = "nothing is done until it is awaited"]
pub struct RunToCompletion<T: Send + 'static> {
    begun: bool,
    /// Until its end.
    work: Option<BoxFuture<'static, Option<T>>>,
}

impl<T: Send + 'static> Future for RunToCompletion<T> {
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        self.begun = true;
        let Some(work) = &mut self.work else { return Poll::Ready(None) };
        let done = ready!(work.as_mut().poll(context));
        self.work = None;
        Poll::Ready(done)
    }
}

impl<T: Send + 'static> Drop for RunToCompletion<T> {
    fn drop(&mut self) {
        // Without a runtime the process is about to end.
        if let (true, Some(work), Ok(runtime)) = (self.begun, self.work.take(), Handle::try_current()) {
            runtime.spawn(work);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, time::Duration};

    use tokio::sync::oneshot;

    use super::*;

    #[actix_web::test]
    async fn goes_on_when_nobody_waits_any_more() {
        let (go_on, told) = oneshot::channel::<()>();
        let (done, is_done) = oneshot::channel();
        let mut work = run_to_completion(async move {
            told.await.unwrap();
            done.send(()).unwrap();
        });
        assert!(work.poll_unpin(&mut Context::from_waker(std::task::Waker::noop())).is_pending());
        drop(work);
        go_on.send(()).unwrap();
        tokio::time::timeout(Duration::from_secs(10), is_done).await.unwrap().unwrap();
    }

    #[actix_web::test]
    async fn does_not_begin_when_nobody_ever_waits() {
        let (done, is_done) = oneshot::channel::<()>();
        drop(run_to_completion(async move { done.send(()) }));
        is_done.await.unwrap_err();
    }

    #[actix_web::test]
    async fn a_panic_is_told() {
        assert_eq!(run_to_completion(async { 1 }).await, Some(1));
        let panics = poll_fn(|_| -> Poll<()> { panic!("as it should") });
        assert_eq!(run_to_completion(panics).await, None);
    }
}
