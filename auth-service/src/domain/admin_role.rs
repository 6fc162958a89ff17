//! Roles of users who administer the accounts of others over HTTP.

/// Name of the role that may do everything.
pub const ADMIN: &str = "admin";
/// Name of the role that may read.
pub const SUPPORT: &str = "support";

/// What a user may do below `/admin`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdminRole {
    /// May read and change.
    Admin,
    /// May read.
    Support,
}

impl AdminRole {
    /// Returns the role of a user with these roles, separated by spaces. `None`: neither of the two.
    pub fn of(roles: &str) -> Option<Self> {
        let has = |name| roles.split_whitespace().any(|role| role == name);
        match (has(ADMIN), has(SUPPORT)) {
            (true, _) => Some(Self::Admin),
            (false, true) => Some(Self::Support),
            (false, false) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_exact_names_of_the_roles_count() {
        for (roles, expected) in [
            ("", None),
            ("editor", None),
            ("admins Admin administrator supporter", None),
            ("support", Some(AdminRole::Support)),
            ("editor admin", Some(AdminRole::Admin)),
            ("support admin", Some(AdminRole::Admin)),
        ] {
            assert_eq!(AdminRole::of(roles), expected, "{roles}");
        }
    }
}
