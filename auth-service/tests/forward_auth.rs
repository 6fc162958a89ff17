//! `GET /auth/verify`, which a proxy asks before it lets a request through.

mod support;

use support::TestApp;
use test_support::{Answer, claims_of};

fn who(answer: &Answer) -> [Option<String>; 3] {
    ["x-auth-user", "x-auth-subject", "x-auth-scopes"].map(|name| {
        let value = answer.headers.get(name)?;
        Some(String::from_utf8(value.as_bytes().to_vec()).unwrap())
    })
}

on_both! {
    async fn it_says_who_asks_or_refuses(app: TestApp) {
        for name in ["ada", "Zoë"] {
            let tokens = app.new_user(name).await;
            let sub = claims_of(&tokens.access)["sub"].as_str().unwrap().to_owned();
            let answer = app.get("/auth/verify", Some(&tokens.access)).await;
            assert_eq!((answer.status, answer.header("cache-control")), (200, "no-store"));
            assert_eq!(who(&answer), [Some(name.into()), Some(sub), Some(String::new())]);

            app.logout(&tokens).await;
            let answer = app.get("/auth/verify", Some(&tokens.access)).await;
            answer.assert_problem(401, "token_not_valid");
            assert_eq!(who(&answer), [None, None, None]);
        }
        let answer = app.get("/auth/verify", None).await;
        assert_eq!(answer.assert_problem(401, "not_authenticated").header("www-authenticate"), "Bearer");
        app.get("/auth/verify", Some("a.b.c")).await.assert_problem(401, "token_not_valid");
    }

    async fn it_demands_scopes_and_roles_that_the_proxy_names(app: TestApp) {
        app.new_user("ada").await;
        let granted = app.cli(&["users", "grant", "ada", "--scope", "read", "--scope", "a/b", "--role", "editor"]);
        assert!(granted.status.success(), "{granted:?}");
        let access = app.login("ada").await.tokens().access;
        let ask = |query: &str| {
            let (app, path) = (&app, format!("/auth/verify{query}"));
            let access = &access;
            async move { app.get(&path, Some(access)).await }
        };
        for query in ["", "?scope=read", "?scope=read+a/b", "?scope=read&scope=a%2Fb&role=editor"] {
            let answer = ask(query).await;
            assert_eq!(answer.status, 200, "{query}");
            assert_eq!(who(&answer)[2].as_deref(), Some("read a/b"));
        }
        for (query, challenge) in [
            ("?scope=write", r#"Bearer error="insufficient_scope", scope="write""#),
            ("?scope=read+write", r#"Bearer error="insufficient_scope", scope="write""#),
            ("?scope=read&scope=write", r#"Bearer error="insufficient_scope", scope="write""#),
            ("?scope=editor", r#"Bearer error="insufficient_scope", scope="editor""#),
            ("?role=read", r#"Bearer error="insufficient_scope""#),
            ("?role=editor+admin", r#"Bearer error="insufficient_scope""#),
        ] {
            let answer = ask(query).await;
            assert_eq!(answer.assert_problem(403, "permission_denied").header("www-authenticate"), challenge);
            assert_eq!(who(&answer), [None, None, None]);
        }
        for query in ["?scope=", "?scope=read++write", "?scope=%22", "?scope=%0d%0aX:y"] {
            ask(query).await.assert_fields(&["scope"]);
        }
        ask("?role=").await.assert_fields(&["role"]);
        // Misspelt, it would open what was to be closed.
        for query in ["?scopes=read", "?Scope=read", "?role[]=editor", "?x"] {
            ask(query).await.assert_fields(&["query"]);
        }
    }

    async fn a_clients_token_has_no_user(app: TestApp) {
        let made = String::from_utf8(app.cli(&["clients", "create", "billing-job", "--scope", "read"]).stdout).unwrap();
        let secret = made.split_whitespace().last().unwrap();
        let request = app.request(reqwest::Method::POST, "/oauth/token").basic_auth("billing-job", Some(secret));
        let answer = app.send(request.form(&[("grant_type", "client_credentials")])).await;
        let access = answer.json["access_token"].as_str().unwrap();
        let answer = app.get("/auth/verify", Some(access)).await;
        assert_eq!(answer.status, 200);
        assert_eq!(who(&answer), [None, Some("billing-job".into()), Some("read".into())]);
    }
}
