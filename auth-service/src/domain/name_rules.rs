//! Usernames that no visitor may register, because users and programs would take them for the name
//! of someone else.

use std::collections::HashSet;

use unicode_security::{
    MixedScript, RestrictionLevel, RestrictionLevelDetection, confusable_detection::skeleton,
};
use uuid::Uuid;

use super::{fold::fold, username::Username};

/// Names that RFC 2142 reserves for the operators of a domain, and names of roles and of routes.
pub const RESERVED_NAMES: &str = "abuse,account,accounts,admin,administrator,anonymous,api,auth,\
    billing,daemon,everyone,ftp,guest,help,helpdesk,hostmaster,info,login,logout,mailer-daemon,\
    marketing,me,moderator,news,nobody,noc,noreply,null,oauth,official,operator,owner,password,\
    postmaster,register,root,sales,security,self,service,signup,staff,superuser,support,sysadmin,\
    system,undefined,usenet,uucp,webmaster,www";

/// Rules for new usernames.
#[derive(Clone, Debug, Default)]
pub struct NameRules {
    /// The skeletons of reserved names.
    reserved: HashSet<String>,
}

/// The rule that a username breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The name is reserved, or looks like a reserved name.
    #[error("This username is reserved.")]
    Reserved,
    /// The name has the form of a user's id, which commands accept in place of a name.
    #[error("This username has the form of an id.")]
    LooksLikeId,
    /// The name has letters of scripts that no language uses together.
    #[error("This username mixes letters of several scripts.")]
    MixedScripts,
}

impl NameRules {
    /// Creates the rules for these reserved names.
    pub fn new(reserved: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        Self { reserved: reserved.into_iter().map(|name| appearance(name.as_ref())).collect() }
    }

    /// Checks the name of a new user.
    ///
    /// # Errors
    /// The rule that the name breaks.
    pub fn check(&self, name: &Username) -> Result<(), NameError> {
        if self.reserved.contains(&appearance(name.as_str())) {
            return Err(NameError::Reserved);
        }
        if Uuid::try_parse(name.as_str()).is_ok() {
            return Err(NameError::LooksLikeId);
        }
        if mixes_scripts(name.as_str()) {
            return Err(NameError::MixedScripts);
        }
        Ok(())
    }
}

/// Returns the text that names of one appearance share: the skeleton of UTS 39 section 4, without
/// case, and without the characters that separate words.
pub fn appearance(name: &str) -> String {
    let letters: String = fold(name).chars().filter(|c| !"_.-".contains(*c)).collect();
    fold(&skeleton(&letters).collect::<String>())
}

/// Returns `true` unless the name is of one script, or of a mixture that Chinese, Japanese or Korean
/// text has (UTS 39 section 5.2, Highly Restrictive). A name of one script that UTS 31 does not
/// recommend is of one script all the same.
fn mixes_scripts(name: &str) -> bool {
    let is_restrictive = name.check_restriction_level(RestrictionLevel::HighlyRestrictive);
    !is_restrictive && !name.is_single_script()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str) -> Result<(), NameError> {
        NameRules::new(RESERVED_NAMES.split(',')).check(&Username::parse(name).unwrap())
    }

    #[test]
    fn reserved_names_and_their_look_alikes_are_refused() {
        for name in [
            "admin",
            "ADMIN",
            "Root",
            "r00t",
            "ad-min",
            "_admin_",
            "adrnin",
            "ａｄｍｉｎ",
            "аdmin",
            "ѕuррort",
            "postrnaster",
            "mailer.daemon",
            "Nо_Reply",
        ] {
            assert_eq!(check(name), Err(NameError::Reserved), "{name}");
        }
        let id = "01a20ee7-b215-7041-8694-ef34a8273545";
        for name in [id, &id.replace('-', "")] {
            assert_eq!(check(name), Err(NameError::LooksLikeId), "{name}");
        }
        for name in ["ada", "administer", "badmin", "rooted", "supporter", "meg", "adam"] {
            assert_eq!(check(name), Ok(()), "{name}");
        }
    }

    #[test]
    fn names_of_several_scripts_are_refused() {
        for name in ["аda", "pаypal", "ada_ада", "Ωmega", "адаα", "ada_ᎪᎠᎪ"] {
            assert_eq!(check(name), Err(NameError::MixedScripts), "{name}");
        }
        for name in [
            "Zoë",
            "ада",
            "αβγ",
            "李小龍",
            "さくらサクラ桜",
            "김철수",
            "tokyo東京",
            "seoul서울",
            "ada_2",
            "ᏣᎳᎩ",
            "محمد",
            "שלום",
        ] {
            assert_eq!(check(name), Ok(()), "{name}");
        }
    }
}
