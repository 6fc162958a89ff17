//! The tables. They are equal on both databases, except `blacklist`, which only SQLite has.

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
        folded_username -> Nullable<Text>,
        folded_email -> Nullable<Text>,
        external_id -> Nullable<Text>,
    }
}

diesel::table! {
    deleted_users (id) {
        id -> Text,
        username -> Text,
        username_key -> Text,
        folded_username -> Text,
        deleted_at -> BigInt,
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
        generation -> BigInt,
        rotated_at -> BigInt,
        voided_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    blacklist (session_id) {
        session_id -> Text,
        watermark -> Nullable<BigInt>,
        moved_at -> BigInt,
        claims_from -> Nullable<BigInt>,
        expires_at -> BigInt,
        origin -> BigInt,
        retries_elsewhere -> BigInt,
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
        operator -> Nullable<Text>,
    }
}

diesel::table! {
    one_time_codes (mac) {
        mac -> Text,
        user_id -> Text,
        purpose -> Text,
        revision -> BigInt,
        created_at -> BigInt,
        expires_at -> BigInt,
        email -> Nullable<Text>,
        folded_email -> Nullable<Text>,
    }
}

diesel::table! {
    write_probes (id) {
        id -> Text,
        data -> Text,
    }
}

diesel::table! {
    /// Columns of `users` about mail and about the end of the account. Diesel's tables have at most
    /// 16 columns by default, and more of them lengthen each build.
    #[sql_name = "users"]
    mail_users (id) {
        id -> Text,
        created_at -> BigInt,
        revision -> BigInt,
        email_verified_at -> Nullable<BigInt>,
        language -> Nullable<Text>,
        delete_at -> Nullable<BigInt>,
        deletion_requested_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    former_usernames (id) {
        id -> Text,
        user_id -> Text,
        username -> Text,
        username_key -> Text,
        folded_username -> Text,
        changed_at -> BigInt,
    }
}

diesel::table! {
    address_mails (id) {
        id -> Text,
        address_mac -> Text,
        sent_at -> BigInt,
    }
}

diesel::allow_tables_to_appear_in_same_query!(mail_users, sessions);

diesel::table! {
    invitations (mac) {
        mac -> Text,
        email -> Text,
        folded_email -> Text,
        scope -> Text,
        roles -> Text,
        mailed_at -> Nullable<BigInt>,
        created_at -> BigInt,
        expires_at -> BigInt,
    }
}

diesel::table! {
    outbox (id) {
        id -> Text,
        kind -> Text,
        topic -> Text,
        user_id -> Nullable<Text>,
        sealed -> Text,
        created_at -> BigInt,
        due_at -> BigInt,
        attempts -> BigInt,
        last_error -> Nullable<Text>,
        given_up_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    reserved_names (name) {
        name -> Text,
        appearance -> Text,
        created_at -> BigInt,
    }
}

diesel::table! {
    webhooks (id) {
        id -> Text,
        url -> Text,
        events -> Text,
        sealed -> Text,
        created_at -> BigInt,
    }
}

diesel::table! {
    webhook_messages (id) {
        id -> Text,
        webhook_id -> Text,
        event -> Text,
        sealed -> Text,
        created_at -> BigInt,
        due_at -> BigInt,
        attempts -> BigInt,
        last_error -> Nullable<Text>,
        sent_at -> Nullable<BigInt>,
        given_up_at -> Nullable<BigInt>,
    }
}
