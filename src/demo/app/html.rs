//! Text in HTML: what a person typed can never become markup.

use std::fmt::{Display, Formatter, Result, Write};

/// Displays a text so that it is only text, in an element and in a quoted attribute.
pub(super) struct Text<'a>(pub(super) &'a str);

impl Display for Text<'_> {
    fn fmt(&self, out: &mut Formatter<'_>) -> Result {
        for character in self.0.chars() {
            match character {
                '&' => out.write_str("&amp;")?,
                '<' => out.write_str("&lt;")?,
                '>' => out.write_str("&gt;")?,
                '"' => out.write_str("&quot;")?,
                '\'' => out.write_str("&#39;")?,
                other => out.write_char(other)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Text;

    #[test]
    fn markup_and_quotes_lose_their_meaning() {
        let text = r#"<b title="a" class='b'>Tom & Co.</b> &amp; ü"#;
        assert_eq!(
            Text(text).to_string(),
            "&lt;b title=&quot;a&quot; class=&#39;b&#39;&gt;Tom &amp; Co.&lt;/b&gt; &amp;amp; ü"
        );
    }
}
