//! The tables, which are equal on both databases.

diesel::table! {
    users (id) {
        id -> Text,
        username -> Text,
        username_key -> Text,
        email -> Text,
        email_key -> Text,
        password_hash -> Text,
        scope -> Text,
        roles -> Text,
        created_at -> BigInt,
        claims_changed_at -> Nullable<BigInt>,
        claims_marked_at -> Nullable<BigInt>,
        disabled_at -> Nullable<BigInt>,
        revision -> BigInt,
    }
}

diesel::table! {
    credentials (id) {
        id -> Text,
        user_id -> Text,
        kind -> Text,
        data -> Text,
        label -> Nullable<Text>,
        created_at -> BigInt,
        last_used_at -> Nullable<BigInt>,
    }
}

diesel::allow_tables_to_appear_in_same_query!(users, credentials);

diesel::table! {
    sessions (id) {
        id -> Text,
        user_id -> Nullable<Text>,
        created_at -> BigInt,
        expires_at -> BigInt,
        revoked_at -> Nullable<BigInt>,
        revoked_cause -> Nullable<Text>,
        blacklisted_at -> Nullable<BigInt>,
        last_used_at -> Nullable<BigInt>,
        user_agent -> Nullable<Text>,
        ip -> Nullable<Text>,
        amr -> Nullable<Text>,
        auth_time -> Nullable<BigInt>,
    }
}

diesel::table! {
    blacklist (session_id) {
        session_id -> Text,
        watermark -> Nullable<BigInt>,
        moved_at -> BigInt,
        claims_from -> Nullable<BigInt>,
        expires_at -> BigInt,
    }
}

diesel::table! {
    signing_keys (number) {
        number -> BigInt,
        kid -> Text,
        algorithm -> Text,
        sealed -> Text,
        published_at -> BigInt,
        activates_at -> Nullable<BigInt>,
        token_lifetime -> BigInt,
    }
}

diesel::table! {
    clients (id) {
        id -> Text,
        secret_hash -> Text,
        scope -> Text,
        created_at -> BigInt,
        secret_changed_at -> BigInt,
        audiences -> Text,
    }
}

diesel::table! {
    audit_events (number) {
        number -> BigInt,
        at -> BigInt,
        event -> Text,
        actor -> Text,
        user_id -> Nullable<Text>,
        session_id -> Nullable<Text>,
        client_id -> Nullable<Text>,
        ip -> Nullable<Text>,
        user_agent -> Nullable<Text>,
        detail -> Nullable<Text>,
    }
}
