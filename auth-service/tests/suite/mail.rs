//! Mail, handed to a real mail server.

use std::process::Output;

use test_support::{Certificates, MailServer, TempDir, sized, temp_dir};

use crate::support::{auth_service, auth_service_command, keys::stdout_of};

const ADDRESS: &str = "ops@example.com";

const SENDER: &str = "Example <no-reply@example.com>";

fn send_test_mail(folder: &TempDir, url: &str) -> Output {
    auth_service(folder, &test_mail_args(url))
}

fn test_mail_args(url: &str) -> [&str; 7] {
    ["doctor", "--mail", ADDRESS, "--mail-url", url, "--mail-from", SENDER]
}

/// Returns the line of the doctor about the mail that it sent.
fn verdict(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().find(|line| line.contains(ADDRESS));
    line.unwrap_or_else(|| panic!("no line about the mail in {output:?}")).to_owned()
}

#[actix_web::test]
async fn doctor_sends_a_mail_through_the_mail_server() {
    let (server, folder) = (MailServer::start(), temp_dir());
    let output = send_test_mail(&folder, &server.url());
    assert!(verdict(&output).starts_with("ok"), "{output:?}");
    let mail = server.wait_for(ADDRESS, "Test of the mail settings").await;
    assert_eq!(mail.headers["From"], "Example <no-reply@example.com>");
    assert_eq!(mail.headers["Auto-Submitted"], "auto-generated");
    assert!(mail.message_id.ends_with("@example.com>"), "{}", mail.message_id);
    assert!(mail.text.contains("can send mail"), "{}", mail.text);
    assert!(mail.html.contains("can send mail"), "{}", mail.html);
}

#[actix_web::test]
async fn doctor_names_how_the_mail_server_fails() {
    let (server, folder) = (MailServer::start(), temp_dir());
    for phase in MailServer::PHASES {
        let refusal = match phase {
            "connect" => "the mail server answered 554",
            // No mail needs an answer to QUIT.
            "quit" => "was accepted",
            _ => "550",
        };
        let drop = if phase == "quit" { "was accepted" } else { "was not accepted" };
        for (kind, reason) in [("refuse", refusal), ("drop", drop)] {
            let fault = format!("{kind}-{phase}");
            server.set_fault(&fault);
            let output = send_test_mail(&folder, &server.url_for(phase));
            let line = verdict(&output);
            assert!(line.contains(reason), "{fault}: {line}");
            assert_eq!(output.status.success(), phase == "quit", "{fault}");
        }
    }
    server.set_fault("greylist");
    let line = verdict(&send_test_mail(&folder, &server.url()));
    assert!(line.contains("the mail server answered 451"), "{line}");
    server.set_fault("away");
    let line = verdict(&send_test_mail(&folder, &server.url()));
    assert!(line.contains("no connection to the mail server"), "{line}");
    assert_eq!(server.mails().len(), 2);
}

#[test]
fn doctor_does_not_wait_forever_for_a_mail_server_that_hangs() {
    std::thread::scope(|scope| {
        for phase in MailServer::PHASES {
            if phase == "message" && sized(true, false, false) {
                // The limit for the content of a mail is a minute.
                continue;
            }
            scope.spawn(move || {
                let (server, folder) = (MailServer::start(), temp_dir());
                server.set_fault(&format!("hang-{phase}"));
                let line = verdict(&send_test_mail(&folder, &server.url_for(phase)));
                let reason = match phase {
                    "quit" => "was accepted",
                    _ => "the mail server did not answer in time",
                };
                assert!(line.contains(reason), "{phase}: {line}");
            });
        }
        scope.spawn(|| {
            let (server, folder) = (MailServer::start(), temp_dir());
            let line = verdict(&send_test_mail(&folder, &server.unreachable_url()));
            assert!(line.contains("the mail server did not answer in time"), "{line}");
        });
    });
}

#[actix_web::test]
async fn mail_server_needs_the_right_credentials_and_a_trusted_certificate() {
    let (server, folder) = (MailServer::start(), temp_dir());
    assert!(send_test_mail(&folder, &server.url_for("auth")).status.success());
    let wrong = server.url_for("auth").replace("mailer", "other");
    let line = verdict(&send_test_mail(&folder, &wrong));
    assert!(line.contains("the mail server answered 535"), "{line}");

    let certificates = Certificates::generate();
    let url = server.url_for("starttls");
    server.set_certificates(&certificates);
    let line = verdict(&send_test_mail(&folder, &url));
    assert!(line.contains("TLS to the mail server failed"), "{line}");
    let mut command = auth_service_command(&folder, &test_mail_args(&url));
    let output = command.env("SSL_CERT_FILE", certificates.authority()).output().unwrap();
    assert!(verdict(&output).contains("was accepted"), "{output:?}");
    assert_eq!(server.mails().len(), 2);
}

#[test]
fn without_a_mail_server_mails_are_files() {
    let folder = temp_dir();
    stdout_of(auth_service(&folder, &["generate-secret"]));
    let output = auth_service(&folder, &["doctor", "--mail", ADDRESS]);
    assert!(verdict(&output).starts_with("ok"), "{output:?}");
    let files: Vec<_> = std::fs::read_dir(folder.path().join("mail")).unwrap().collect();
    let [Ok(file)] = &files[..] else { panic!("{files:?}") };
    let text = std::fs::read_to_string(file.path()).unwrap();
    assert!(text.contains("To: ops@example.com\r\n"), "{text}");
}

#[test]
fn wrong_settings_of_mail_are_refused_and_not_repeated() {
    let folder = temp_dir();
    for (args, complaint) in [
        (&["--mail-url", "smtps://u:s3cret@mail.example.com"][..], "MAIL_FROM"),
        (&["--mail-url", "http://u:s3cret@mail.example.com"], "must start with smtps://"),
        (&["--mail-url", "smtp://u:s3cret@mail.example.com?tls=none"], "takes no parameters"),
        (&["--mail-from", "no address"], "must be an address"),
        (&["--mail-from", "Shop\r\nBcc: x@example.com <a@example.com>"], "control characters"),
        (&["--mail-from", "Shop <a@example.com\r\nBcc: x@example.com>"], "control characters"),
        (&["--product-name", "Shop\r\nBcc: x@example.com"], "must be one line of text"),
        (&["--product-name", " "], "must be one line of text"),
        (&["--mail", "no address"], "the address is malformed"),
    ] {
        let output = auth_service(&folder, &[&["doctor"], args].concat());
        let text = format!("{output:?}");
        assert!(!output.status.success(), "{text}");
        assert!(text.contains(complaint), "{text}");
        assert!(!text.contains("s3cret"), "{text}");
    }
}
