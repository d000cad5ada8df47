//! "Did you mean": the known word that is nearest to a mistyped one.

/// The nearest of `known`, where one is near enough to have been meant.
pub(crate) fn nearest<'a>(
    typed: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    // A third of the letters may be wrong; more, and any short word would be near any other.
    let tolerated = |word: &str| (typed.len().max(word.len()) / 3).max(1);
    known
        .into_iter()
        .map(|word| (distance(typed, word), word))
        .filter(|(distance, word)| *distance <= tolerated(word))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

/// How many letters must be put in, taken out, replaced or swapped with the next (optimal string
/// alignment), ignoring case.
fn distance(one: &str, other: &str) -> usize {
    let one: Vec<char> = one.to_lowercase().chars().collect();
    let other: Vec<char> = other.to_lowercase().chars().collect();
    let mut rows: Vec<Vec<usize>> = vec![(0..=other.len()).collect()];
    for i in 1..=one.len() {
        let mut row = vec![i];
        for j in 1..=other.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(one[i - 1] != other[j - 1]);
            let mut best = replaced.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && one[i - 1] == other[j - 2] && one[i - 2] == other[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[one.len()][other.len()]
}

#[cfg(test)]
mod tests {
    use super::{distance, nearest};

    #[test]
    fn a_slip_is_one_step() {
        for (one, other, steps) in [
            ("idle", "idle", 0),
            ("idel", "idle", 1),
            ("Idle", "idle", 0),
            ("absolut", "absolute", 1),
            ("listener", "listeners", 1),
            ("idle", "group", 5),
            ("", "id", 2),
        ] {
            assert_eq!(distance(one, other), steps, "{one} {other}");
        }
    }

    #[test]
    fn only_a_near_word_is_suggested() {
        let known = ["idle", "absolute", "users", "groups"];
        assert_eq!(nearest("user", known), Some("users"));
        assert_eq!(nearest("apsolut", known), Some("absolute"));
        assert_eq!(nearest("absolut_timeout", known), None);
        assert_eq!(nearest("xyz", known), None);
    }
}
