//! Use cases of OAuth clients, and of the operator who administers them.
//!
//! | module | use case |
//! |---|---|
//! | `clients` | a client authenticates |
//! | `client_credentials` | a client gets an access token of its own |
//! | `refresh` | a client exchanges a refresh token |
//! | `revoke` | a client ends the session of a token |
//! | `introspect` | a client asks whether a token is active |
//! | `follow_revocations` | a client follows the revocation feed |
//! | `client_admin` | an operator registers, changes and deletes clients |
//! | `grants` | the services that these use cases take |

mod client_admin;
mod client_credentials;
mod clients;
mod follow_revocations;
mod grants;
mod introspect;
mod refresh;
mod revoke;

pub use self::{
    client_admin::{ClientAdmin, ClientAdminError, ClientDefinition, NewClient},
    client_credentials::{ClientCredentialsError, ClientToken},
    clients::{Client, Clients},
    follow_revocations::{FeedAccess, FeedItem, FollowError},
    grants::Grants,
    introspect::IntrospectError,
    refresh::RefreshGrantError,
    revoke::RevokeError,
};
