use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::config::app::WorkLimits;
use crate::domain::session::EndReason;
use crate::domain::time::Timestamp;
use crate::proxy::Proxy;
use crate::proxy::bench::{NOW, live, new, proxy, sid, user};
use crate::proxy::stream::handle::StreamHandle;
use crate::proxy::stream::progress::Progress;
use crate::proxy::stream::registry::{StreamKey, StreamKind};
use crate::proxy::stream::work::Terms;

#[tokio::test]
async fn no_stream_goes_on_under_a_session_of_another_lineage() {
    let proxy = proxy();
    let [before, after] = [1, 2].map(|n| user(&proxy, n));
    let created = proxy.store.create(sid(1), new(&after)).await;
    created.unwrap();
    let opened = [&before, &after].map(|session| {
        let key = StreamKey::of(&live(&proxy, sid(1), session), &session.app);
        proxy.streams.open(key, StreamKind::Tunnel).unwrap()
    });
    proxy.look_at_streams().await.unwrap();
    let cut = opened.each_ref().map(|stream| stream.cut_reason());
    assert_eq!(cut, [Some(EndReason::Reauthenticated), None]);
}

/// Work of session 1, whose answer came after so many seconds.
async fn works_for(proxy: &Proxy, seconds: u64) -> StreamHandle {
    let session = user(proxy, 1);
    proxy.store.create(sid(1), new(&session)).await.unwrap();
    let limits = WorkLimits {
        max: Duration::from_secs(60),
        drain: Duration::ZERO,
    };
    let terms = Terms { began: NOW, limits };
    let key = StreamKey::of(&live(proxy, sid(1), &session), &session.app);
    let progress = Progress::default();
    let work = proxy.streams.open_work(key, terms, progress, &proxy.clock);
    let work = work.unwrap();
    proxy.clock.advance(Duration::from_secs(seconds));
    work.answered();
    work
}

async fn last_active(proxy: &Proxy) -> Timestamp {
    let found = proxy.store.look_up(&[sid(1)]).await.unwrap();
    found.records[0].as_ref().unwrap().last_active
}

#[tokio::test]
async fn no_touch_is_waited_for_before_the_streams_of_a_look_are_cut() {
    let proxy = Arc::new(proxy());
    let _work = works_for(&proxy, 20).await;
    proxy.look_at_streams().await.unwrap();
    assert_eq!(last_active(&proxy).await, NOW, "the look itself told it");
    let told = proxy.tell_unsaid(&CancellationToken::new()).await;
    told.unwrap();
    assert_eq!(last_active(&proxy).await, NOW.plus(Duration::from_secs(20)));
}

#[tokio::test]
async fn no_session_at_work_loses_its_activity_at_a_stop() {
    let proxy = Arc::new(proxy());
    let _work = works_for(&proxy, 2).await;
    let stopped = CancellationToken::new();
    stopped.cancel();
    Arc::clone(&proxy).tell_of_work(stopped).await;
    assert_eq!(last_active(&proxy).await, NOW.plus(Duration::from_secs(2)));
}

#[tokio::test]
async fn no_route_with_a_shorter_idle_timeout_ends_a_session_at_work_elsewhere() {
    let proxy = Arc::new(proxy());
    let _work = works_for(&proxy, 3).await;
    proxy.look_at_streams().await.unwrap();
    assert_eq!(proxy.streams.unsaid().len(), 1);
}
