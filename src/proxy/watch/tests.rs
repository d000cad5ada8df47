use crate::domain::session::EndReason;
use crate::proxy::bench::{live, new, proxy, sid, user};
use crate::proxy::stream::registry::{StreamKey, StreamKind};

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
