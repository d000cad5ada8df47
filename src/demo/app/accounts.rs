//! The people who may sign in: two accounts that everyone may know, because this is a demo.

/// A person's account; it also is what the person may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Account {
    /// Asks for things.
    Buyer,
    /// Asks for things too, and decides on what was asked for.
    Approver,
}

impl Account {
    /// The account that these credentials open.
    pub(super) fn authenticate(username: &str, password: &str) -> Option<Self> {
        match (username, password) {
            ("buyer", "buyer") => Some(Self::Buyer),
            ("approver", "approver") => Some(Self::Approver),
            _ => None,
        }
    }

    /// The user name, as it is typed at the login.
    pub(super) fn username(self) -> &'static str {
        match self {
            Self::Buyer => "buyer",
            Self::Approver => "approver",
        }
    }

    /// What a page calls the person.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Buyer => "Buyer",
            Self::Approver => "Approver",
        }
    }

    /// Whether the person may see and decide what is pending.
    pub(super) fn may_approve(self) -> bool {
        self == Self::Approver
    }
}

#[cfg(test)]
mod tests {
    use super::Account;

    #[test]
    fn only_the_pair_of_name_and_password_opens_an_account() {
        assert_eq!(
            Account::authenticate("buyer", "buyer"),
            Some(Account::Buyer)
        );
        assert_eq!(
            Account::authenticate("approver", "approver"),
            Some(Account::Approver)
        );
        for (username, password) in [
            ("buyer", "approver"),
            ("approver", "buyer"),
            ("Buyer", "buyer"),
            ("buyer", ""),
            ("", ""),
        ] {
            assert_eq!(
                Account::authenticate(username, password),
                None,
                "{username}/{password}"
            );
        }
    }
}
