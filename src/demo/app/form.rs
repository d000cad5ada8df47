//! Forms as browsers send them, bounded in size and in time.

use std::time::Duration;

use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body, Bytes};
use tokio::time::timeout;

use super::answer::Refusal;

/// The largest form body that is read, in bytes.
const FORM_MAX: usize = 64 * 1024;
/// How long a form body may take to arrive.
const FORM_WAIT: Duration = Duration::from_secs(10);

/// The fields of an `application/x-www-form-urlencoded` body.
pub(super) struct Form(Bytes);

impl Form {
    /// Reads a request's body to its end.
    pub(super) async fn read<B>(body: B) -> Result<Self, Refusal>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        if body.size_hint().lower() > FORM_MAX as u64 {
            return Err(Refusal::LargeForm);
        }
        match timeout(FORM_WAIT, Limited::new(body, FORM_MAX).collect()).await {
            Ok(Ok(collected)) => Ok(Self(collected.to_bytes())),
            Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Refusal::LargeForm),
            Ok(Err(_)) => Err(Refusal::BrokenForm),
            Err(_) => Err(Refusal::SlowForm),
        }
    }

    /// The first field of that name, trimmed; empty if there is none.
    pub(super) fn field(&self, name: &str) -> String {
        self.first(name).trim().to_owned()
    }

    /// The first field of that name exactly as it was sent; empty if there is none.
    pub(super) fn secret(&self, name: &str) -> String {
        self.first(name)
    }

    fn first(&self, name: &str) -> String {
        form_urlencoded::parse(&self.0)
            .find(|(field, _)| field == name)
            .map(|(_, value)| value.into_owned())
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use http_body_util::Full;
    use hyper::body::{Body, Bytes, Frame};

    use super::{FORM_MAX, Form};
    use crate::demo::app::answer::Refusal;

    /// A body of that many bytes in single-byte frames, which does not say its size.
    struct Trickle(usize);

    impl Body for Trickle {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            if self.0 == 0 {
                return Poll::Ready(None);
            }
            self.0 -= 1;
            Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"a")))))
        }
    }

    async fn read(body: impl Into<Bytes>) -> Result<Form, Refusal> {
        Form::read(Full::new(body.into())).await
    }

    #[tokio::test]
    async fn fields_are_decoded_trimmed_and_the_first_of_a_name_counts() {
        let form = read("title=+50%25+off+%C3%BC+&amount=1&amount=2&flag")
            .await
            .unwrap();
        assert_eq!(form.field("title"), "50% off ü");
        assert_eq!(form.field("amount"), "1");
        assert_eq!(form.field("flag"), "");
        assert_eq!(form.field("absent"), "");
    }

    #[tokio::test]
    async fn a_secret_keeps_its_spaces() {
        let form = read("password=+a+").await.unwrap();
        assert_eq!(form.secret("password"), " a ");
    }

    #[tokio::test]
    async fn bytes_that_are_no_text_are_still_a_field() {
        let form = read(&b"title=%ff%&\xff=1"[..]).await.unwrap();
        assert_eq!(form.field("title"), "\u{fffd}%");
    }

    #[tokio::test]
    async fn a_body_of_exactly_the_bound_is_read_and_one_byte_more_is_refused() {
        assert!(read(vec![b'a'; FORM_MAX]).await.is_ok());
        assert_eq!(
            read(vec![b'a'; FORM_MAX + 1]).await.err(),
            Some(Refusal::LargeForm)
        );
    }

    #[tokio::test]
    async fn a_body_that_does_not_say_its_size_has_the_same_bound() {
        assert!(Form::read(Trickle(FORM_MAX)).await.is_ok());
        assert_eq!(
            Form::read(Trickle(FORM_MAX + 1)).await.err(),
            Some(Refusal::LargeForm)
        );
    }
}
