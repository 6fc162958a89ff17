//! Connection strings that are accepted, and those that are not.

use super::ConnectionString;

fn parsed(text: &str) -> String {
    match ConnectionString::parse(text) {
        Ok(parsed) => parsed.to_libpq().trim_end().to_owned(),
        Err(why) => format!("error: {why}"),
    }
}

#[test]
fn every_form_that_libpq_accepts_is_accepted() {
    for (text, expected) in [
        ("postgres://", ""),
        ("postgresql:///auth", "dbname='auth'"),
        ("postgres://db", "host='db'"),
        ("postgres://u@db:5433/auth", "user='u' host='db' port='5433' dbname='auth'"),
        ("postgres://u:p%40%2f%25@db/a", "user='u' password='p@/%' host='db' dbname='a'"),
        ("postgres://u:p#?&=@db/a", "user='u' password='p#?&=' host='db' dbname='a'"),
        ("postgres://u:p@w:x@db/a", "user='u' password='p@w:x' host='db' dbname='a'"),
        ("postgres://:it's \\@db", r"password='it\'s \\' host='db'"),
        ("postgres://a,b:2,[::1]:3/x", "host='a,b,::1' port=',2,3' dbname='x'"),
        ("postgres://%2Frun%2Fpg/x", "host='/run/pg' dbname='x'"),
        ("postgres:///x?host=/run/pg&port=6", "dbname='x' host='/run/pg' port='6'"),
        ("postgres://db/x@y?user=a%20b", "host='db' dbname='x@y' user='a b'"),
        ("postgres://db?connect_timeout=1", "host='db' connect_timeout='1'"),
        ("postgres://db?options=-c%20a%3Db", "host='db' options='-c a=b'"),
        ("host=db user = 'a b' password=p\\ \\'q", r"host='db' user='a b' password='p \'q'"),
        (" dbname=auth\nhost=''\n", "dbname='auth' host=''"),
        ("service=auth", "service='auth'"),
    ] {
        assert_eq!(parsed(text), expected, "{text}");
    }
}

#[test]
fn error_names_what_cannot_be_honoured_and_quotes_no_value() {
    for (text, expected) in [
        ("mysql://u:hunter2@h/d", "must start with postgres://"),
        ("auth", "must start with postgres://"),
        ("postgres://h/d?pgbouncer=true", "does not know: pgbouncer"),
        ("host=h sslmodes=hunter2", "does not know: sslmodes"),
        ("postgres://h/d?replication=database", "cannot honour: replication"),
        ("postgres://h/d?client_encoding=LATIN1", "cannot honour: client_encoding"),
        ("host=h gssencmode=require", "cannot honour: gssencmode"),
        ("postgres://u:hunt/er2@h/d", "%2F"),
        ("postgres://u:hunter2%4@h/d", "write % as %25"),
        ("postgres://u:hunter2%00@h/d", "a zero byte in password"),
        ("postgres://[::1/d", "without ]"),
        ("host=h password=hunter2 hunter2", "a word without ="),
        ("host=h password='hunter2", "without an end"),
        ("postgres://h/d?hunter2", "a parameter without a value"),
    ] {
        let error = parsed(text);
        assert!(error.starts_with("error: ") && error.contains(expected), "{text}: {error}");
        assert!(!error.contains("er2"), "{error}");
    }
}
