//! Parses both forms of a connection string into parameters, as libpq does.

use crate::domain::percent::percent_decoded;

/// Returns whether a text begins with a word and `=`.
pub fn starts_with_keyword(text: &str) -> bool {
    let word = text.split_once('=').map_or("", |(word, _)| word.trim_end());
    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Parses the part of a URI after `postgres://`.
pub fn uri_parameters(rest: &str) -> Result<Vec<(String, String)>, String> {
    let mut parameters = Vec::new();
    let mut add = |name: &str, value: &str| {
        if !value.is_empty() {
            parameters.push((name.to_owned(), percent_decoded(value)?));
        }
        Ok::<_, String>(())
    };
    let (credentials, rest) = split_credentials(rest);
    if let Some(credentials) = credentials {
        let (user, password) = credentials.split_once(':').unwrap_or((credentials, ""));
        add("user", user)?;
        add("password", password)?;
    }
    let end_of_hosts = rest.find(['/', '?']).unwrap_or(rest.len());
    let (hosts, rest) = rest.split_at(end_of_hosts);
    let (hosts, ports) = split_hosts(hosts)?;
    add("host", &hosts)?;
    add("port", &ports)?;
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    add("dbname", path.strip_prefix('/').unwrap_or_default())?;
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let Some((name, value)) = pair.split_once('=') else {
            return Err("has a parameter without a value".into());
        };
        match (percent_decoded(name)?.as_str(), percent_decoded(value)?) {
            // As JDBC writes it.
            ("ssl", value) if value == "true" => {
                parameters.push(("sslmode".into(), "require".into()));
            }
            (name, value) => parameters.push((name.to_owned(), value)),
        }
    }
    Ok(parameters)
}

/// Splits user and password from the rest. A password ends at the last `@` before the hosts.
fn split_credentials(rest: &str) -> (Option<&str>, &str) {
    let Some(first) = rest.find(['@', '/']).filter(|at| rest.as_bytes()[*at] == b'@') else {
        return (None, rest);
    };
    let end_of_hosts = rest[first..].find(['/', '?']).map_or(rest.len(), |end| first + end);
    let last = rest[..end_of_hosts].rfind('@').unwrap_or(first);
    (Some(&rest[..last]), &rest[last + 1..])
}

/// Splits `host:port,[host]:port` into the list of hosts and the list of ports.
fn split_hosts(hosts: &str) -> Result<(String, String), String> {
    let mut names = Vec::new();
    let mut ports = Vec::new();
    for host in hosts.split(',') {
        let (name, port) = match host.strip_prefix('[') {
            Some(ipv6) => {
                let (name, rest) = ipv6.split_once(']').ok_or("has a host with [ and without ]")?;
                (name, rest.strip_prefix(':').unwrap_or(rest))
            }
            None => host.split_once(':').unwrap_or((host, "")),
        };
        if !port.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err("has a port that is not a number: write @, / and : in the password as \
                        %40, %2F and %3A"
                .into());
        }
        names.push(name);
        ports.push(port);
    }
    let ports = ports.join(",");
    // Without any port, libpq uses its default for all hosts.
    let ports = if ports.bytes().all(|byte| byte == b',') { String::new() } else { ports };
    Ok((names.join(","), ports))
}

/// Parses `keyword=value` pairs. A value in quotes may contain blanks; `\` escapes a character.
pub fn pairs(text: &str) -> Result<Vec<(String, String)>, String> {
    let mut parameters = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let Some((name, after)) = rest.split_once('=') else {
            return Err("has a word without =: write a value with blanks in quotes".into());
        };
        if name.trim_end().contains(char::is_whitespace) {
            return Err("has a word without =: write a value with blanks in quotes".into());
        }
        let (value, after) = pair_value(after.trim_start())?;
        parameters.push((name.trim_end().to_owned(), value));
        rest = after.trim_start();
    }
    Ok(parameters)
}

/// Returns the value at the start of `text`, and the text after it.
fn pair_value(text: &str) -> Result<(String, &str), String> {
    let (is_quoted, text) = match text.strip_prefix('\'') {
        Some(text) => (true, text),
        None => (false, text),
    };
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            '\'' if is_quoted => return Ok((value, &text[at + 1..])),
            blank if !is_quoted && blank.is_whitespace() => return Ok((value, &text[at..])),
            other => value.push(other),
        }
    }
    if is_quoted { Err("has a quoted value without an end".into()) } else { Ok((value, "")) }
}
