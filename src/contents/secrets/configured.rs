//! Secrets in the image's configuration and history, which everybody reads who can pull the image.
//!
//! Variables and labels are judged by their names and by the forms of their values; commands and history by assignments
//! (`ARG`, `ENV`, `export`, the build arguments that builders write in front), options that take a secret, connection strings,
//! and what is piped into programs that read one.

use super::{Kind, Secret, Source, account, commands, connections, named, scan::Scan, settings};
use crate::image::config::ImageConfig;

/// Bytes of one text that are looked at.
const TEXT_BYTES: usize = 1 << 20;

/// The secrets in a configuration.
pub(super) fn in_config(config: &ImageConfig) -> Vec<Secret> {
    let mut found = Vec::new();
    let mut say = |part, index, name: Option<&str>, kinds: Vec<(Kind, bool)>| {
        for (kind, encrypted) in kinds {
            let source = Source::Config { part, index, name: name.map(str::to_owned) };
            found.push(Secret { source, kind, encrypted });
        }
    };
    let runtime = &config.runtime;
    for (index, entry) in runtime.env.iter().enumerate() {
        let (name, value) = entry.split_once('=').unwrap_or((entry, ""));
        say("env", index, Some(name), in_value(name, value));
    }
    for (index, (name, value)) in runtime.labels.iter().enumerate() {
        say("labels", index, Some(name), in_value(name, value));
    }
    let commands = [
        ("entrypoint", &runtime.entrypoint),
        ("cmd", &runtime.cmd),
        ("healthcheck", &runtime.healthcheck),
        ("shell", &runtime.shell),
    ];
    for (part, words) in commands {
        let text = words.join(" ");
        if !text.is_empty() {
            say(part, 0, None, in_command(&text));
        }
    }
    for (index, instruction) in runtime.on_build.iter().enumerate() {
        say("onbuild", index, None, in_command(instruction));
    }
    for (index, step) in config.history.iter().enumerate() {
        say("history", index, None, in_command(&step.created_by));
        say("history", index, None, in_command(&step.comment));
    }
    found.sort();
    found.dedup();
    found
}

/// Whether a variable or label holds a secret.
pub(super) fn in_value(name: &str, value: &str) -> Vec<(Kind, bool)> {
    let mut found = in_text(value);
    // A pair is known by what stands side by side in one text.
    let named = named::says_secret(name) && named::is_secret_value(value)
        || account::is_named(name) && account::is_account(value);
    let given = || connections::has_secret(value) || commands::gives_secret(value);
    // What one line alone says of a word is no more than its name.
    let lines = || value.trim_end().contains('\n') && !settings::secrets(value).is_empty();
    if found.is_empty() && (named || given() || lines()) {
        found.push((Kind::Named, false));
    }
    found
}

/// What stands in the place of a secret where the configuration is shown.
pub(super) const SHOWN: &str = "[secret]";

/// A variable as it may be shown: `NAME=value`, without a secret.
pub fn shown_variable(entry: &str) -> String {
    match entry.split_once('=') {
        Some((name, value)) => format!("{name}={}", shown_value(name, value)),
        None => entry.to_owned(),
    }
}

/// A variable's or label's value as it may be shown. Nothing of one that is not looked at to its end is.
pub fn shown_value(name: &str, value: &str) -> String {
    let searched = value.len() <= TEXT_BYTES;
    if searched && in_value(name, value).is_empty() { value.to_owned() } else { SHOWN.to_owned() }
}

/// The words of a command as they may be shown. Nothing of one that is not looked at to its end is.
pub fn shown_command(words: &[String]) -> Vec<String> {
    let text = words.join(" ");
    if text.len() > TEXT_BYTES {
        return words.iter().map(|_| SHOWN.to_owned()).collect();
    }
    if in_command(&text).is_empty() {
        return words.to_vec();
    }
    let alone = |word: &String| !in_command(word).is_empty();
    let any = words.iter().any(alone);
    // Where no word is a secret by itself, several are together.
    let hides = |at: usize, word: &String| if any { alone(word) } else { at > 0 };
    let shown = words.iter().enumerate();
    shown.map(|(at, word)| if hides(at, word) { SHOWN.to_owned() } else { word.clone() }).collect()
}

/// Secrets by their forms.
pub(super) fn in_text(text: &str) -> Vec<(Kind, bool)> {
    let bytes = text.as_bytes();
    let mut scan = Scan::new(&[]);
    scan.take(bytes.get(..TEXT_BYTES).unwrap_or(bytes));
    let (hits, _) = scan.finish();
    hits.into_iter().map(|hit| (hit.kind, hit.encrypted)).collect()
}

/// Secrets in a command.
fn in_command(text: &str) -> Vec<(Kind, bool)> {
    let mut found = in_text(text);
    let text = text.get(..text.floor_char_boundary(TEXT_BYTES)).unwrap_or_default();
    if found.is_empty() && (connections::has_secret(text) || commands::gives_secret(text)) {
        found.push((Kind::Named, false));
    }
    found
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use serde_json::json;

    use super::*;
    use crate::{digest::ConfigDigest, image::Checked, limits::Limits};

    fn said(found: Vec<(Kind, bool)>) -> String {
        let words: Vec<_> = found.into_iter().map(|(kind, _)| kind.word()).collect();
        words.join(" ")
    }

    #[test]
    fn variables_are_judged_by_name_and_form() {
        let secret = [
            ("DB_PASSWORD", "s9df8sdf"),
            ("PGPASSWORD", "s9df8sdf"),
            ("SSHPASS", "s9df8sdf"),
            ("DBPASS", "s9df8sdf"),
            ("REDISCLI_AUTH", "s9df8sdf"),
            ("DATABASE_URL", "postgres://app:s9df8sdf@db/app"),
            ("API_KEY", "q8Jz0f"),
            ("CONNECTION", "Server=db;Database=app;User Id=sa;Password=s9df8sdf;Encrypt=true"),
            ("CONNECTION", "Data Source=db;uid=sa;pwd='s9df;8sdf'"),
            ("DSN", "host=db user=app password=s9df8sdf sslmode=disable"),
            ("DSN", "app:s9df8sdf@tcp(db:3306)/app?parseTime=true"),
            ("SPRING_DATASOURCE_URL", "jdbc:mysql://db:3306/app?user=app&password=s9df8sdf"),
            (
                "SPRING_DATASOURCE_URL",
                "jdbc:sqlserver://db;databaseName=app;user=sa;password=s9df8sdf",
            ),
            ("JDBC", "jdbc:oracle:thin:scott/s9df8sdf@//db:1521/app"),
            ("JAVA_OPTS", "-Xmx1g -Djavax.net.ssl.keyStorePassword=s9df8sdf"),
            ("OPTS", "--verbose --password=s9df8sdf"),
            ("SPRING_APPLICATION_JSON", r#"{"spring": {"datasource": {"password": "s9df8sdf"}}}"#),
            ("BROKER", "amqp://app:s9df8sdf@mq/vhost"),
            ("CACHE", "redis://:s9df8sdf@cache:6379/0"),
            ("REGISTRY_AUTH", "bot:s9df8sdf"),
            // `bot:s9df8sdf`, as registries ask for it.
            ("NPM_CONFIG__AUTH", "Ym90OnM5ZGY4c2Rm"),
            ("DOCKER_AUTH_CONFIG", r#"{"auths": {"h": {"auth": "Ym90OnM5ZGY4c2Rm"}}}"#),
            ("NETRC", "machine git.corp login bot password s9df8sdf"),
            ("SETTINGS", "user: bot\npassword: s9df8sdf\n"),
        ];
        for (name, value) in secret {
            assert_eq!(said(in_value(name, value)), "named-secret", "{name}");
        }
        let none = [
            ("PATH", "/usr/bin"),
            ("GPG_KEY", "A035C8C19219BA821ECEA86B64E628F8D684696D"),
            ("DB_PASSWORD", ""),
            ("DB_PASSWORD", "changeme"),
            ("DB_PASSWORD_FILE", "/run/secrets/db"),
            ("TOKEN", "${TOKEN}"),
            ("DATABASE_URL", "postgres://app@db/app"),
            ("PYTHON_SHA256", "9fjw83kf02bq7z1pLm4c"),
            ("LANG", "C.UTF-8"),
            ("CONNECTION", "Server=db;Integrated Security=true"),
            ("CONNECTION", "Server=db;User Id=sa;Password=${SA_PASSWORD};"),
            ("DSN", "host=db user=app sslmode=disable passfile=/run/secrets/pgpass"),
            ("SPRING_DATASOURCE_URL", "jdbc:mysql://db:3306/app?user=app&password=${DB_PASSWORD}"),
            ("JDBC", "jdbc:oracle:thin:@//db:1521/app"),
            ("JAVA_OPTS", "-Djavax.net.ssl.keyStorePassword=changeit"),
            (
                "SPRING_APPLICATION_JSON",
                r#"{"passwordPolicy": "strong", "tokenUrl": "https://idp.corp/t"}"#,
            ),
            ("IMAGE", "registry.corp:5000/app:1.0@sha256:9fjw83kf02bq"),
            ("NODE_OPTIONS", "--max-old-space-size=4096"),
            ("HTTP_AUTH", "basic"),
            ("DOCKER_AUTH_CONFIG", r#"{"auths": {"h": {}}, "credsStore": "desktop"}"#),
            ("SETTINGS", "user: bot\npassword: ${PASSWORD}\n"),
        ];
        for (name, value) in none {
            assert_eq!(said(in_value(name, value)), "", "{name}={value}");
        }
    }

    #[test]
    fn nothing_of_a_secret_is_shown() {
        assert_eq!(shown_variable("DB_PASSWORD=s9df8sdf"), "DB_PASSWORD=[secret]");
        assert_eq!(shown_variable("PATH=/bin"), "PATH=/bin");
        assert_eq!(shown_variable("odd"), "odd");
        let shown = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            shown_command(&words).join(" ")
        };
        assert_eq!(shown(&["/app", "--token=s9df8sdf", "-v"]), "/app [secret] -v");
        assert_eq!(shown(&["/app", "--token", "s9df8sdf"]), "/app [secret] [secret]");
        assert_eq!(shown(&["/bin/sh", "-c", "TOKEN=s9df8sdf /app"]), "/bin/sh -c [secret]");
        assert_eq!(shown(&["/app", "-v"]), "/app -v");
        let long = "a ".repeat(TEXT_BYTES);
        assert_eq!(shown(&["/app", long.as_str()]), "[secret] [secret]");
        assert_eq!(shown_value("A", &long), "[secret]");
    }

    #[test]
    #[allow(clippy::too_many_lines, reason = "a table of cases")]
    fn commands_are_judged_by_what_they_give_to_whom() {
        for text in [
            "ARG NPM_TOKEN=s9df8sdf",
            "ENV DB_PASSWORD=s9df8sdf",
            "|2 DB_PASSWORD=s9df8sdf VERSION=1 /bin/sh -c make",
            "RUN |1 TOKEN=s9df8sdf /bin/sh -c ./install # buildkit",
            "RUN /bin/sh -c export API_KEY='s9df8sdf' && make",
            "RUN /bin/sh -c curl -u admin:s9df8sdf https://repo.corp/x -o x # buildkit",
            "RUN /bin/sh -c git clone https://bot:s9df8sdf@git.corp/app.git",
            "/bin/sh -c echo 'root:s9df8sdf' | chpasswd",
            "RUN /bin/sh -c login --password s9df8sdf registry.corp",
            "RUN /bin/sh -c tool --api-key=s9df8sdf",
            "mysql -u root -ps9df8sdf app",
            "RUN /bin/sh -c mysqldump -ps9df8sdf --all-databases > /x",
            "CMD-SHELL mysqladmin ping -uroot -ps9df8sdf || exit 1",
            "CMD-SHELL redis-cli -a s9df8sdf ping",
            "RUN /bin/sh -c sshpass -p 's9df8sdf' scp a b:",
            "sshpass -ps9df8sdf ssh a",
            "/opt/mssql-tools/bin/sqlcmd -S db -U sa -P s9df8sdf -Q 'select 1'",
            "RUN /bin/sh -c docker login -u bot -p s9df8sdf registry.corp",
            "RUN /bin/sh -c ldapsearch -D cn=admin -w s9df8sdf",
            "mongosh --host db -u app -p s9df8sdf",
            "RUN /bin/sh -c curl -uadmin:s9df8sdf https://repo.corp/x",
            "RUN /bin/sh -c curl --user=admin:s9df8sdf https://repo.corp/x",
            "RUN /bin/sh -c curl -H 'Authorization: Bearer s9df8sdfkq81' https://repo.corp",
            "RUN /bin/sh -c curl -H \"X-Api-Key: s9df8sdfkq81\" https://repo.corp",
            "RUN /bin/sh -c curl -d '{\"user\":\"a\",\"password\":\"s9df8sdf\"}' https://repo.corp",
            "RUN /bin/sh -c openssl pkcs12 -export -passout pass:s9df8sdf -in a",
            "RUN /bin/sh -c chpasswd <<< 'root:s9df8sdf'",
            "RUN /bin/sh -c echo -n root:s9df8sdf | chpasswd",
            "RUN /bin/sh -c echo s9df8sdf | passwd --stdin root",
            "RUN /bin/sh -c echo s9df8sdf | docker login -u bot --password-stdin",
            "RUN /bin/sh -c htpasswd -bc /etc/nginx/users admin s9df8sdf",
            "RUN /bin/sh -c npm config set //registry.corp/:_authToken s9df8sdf",
            "RUN /bin/sh -c npm config set //registry.corp/:_authToken=s9df8sdf",
            "RUN /bin/sh -c poetry config http-basic.corp bot s9df8sdf",
            "RUN /bin/sh -c aws configure set aws_secret_access_key s9df8sdf",
            "java -Ddb.password=s9df8sdf -jar app.jar",
            "ONBUILD RUN curl -u a:s9df8sdf https://repo.corp",
            "/app --dsn app:s9df8sdf@tcp(db:3306)/app",
            "RUN |2 CONN=Server=db;Password=s9df8sdf X=1 /bin/sh -c make",
        ] {
            assert_eq!(said(in_command(text)), "named-secret", "{text}");
        }
        for text in [
            "",
            "ARG NPM_TOKEN",
            "ENV DB_PASSWORD=",
            "ENV DB_PASSWORD_FILE=/run/secrets/db",
            "RUN |1 TOKEN= /bin/sh -c ./install",
            "RUN /bin/sh -c curl -fsSL https://deb.nodesource.com/setup | bash -",
            "RUN /bin/sh -c curl -u \"$USER:$TOKEN\" https://repo.corp/x",
            "RUN --mount=type=secret,id=token /bin/sh -c TOKEN=$(cat /run/secrets/token) make",
            "RUN /bin/sh -c adduser --disabled-password --gecos '' app",
            "RUN /bin/sh -c useradd --password '' app",
            "RUN /bin/sh -c echo root:$ROOT_PW | chpasswd",
            "RUN /bin/sh -c chown -R app:app /srv && docker run -u 1000:1000 x",
            "RUN /bin/sh -c apt-get install -y pass passwd libsecret-1-0",
            "RUN /bin/sh -c gpg --batch --keyserver hkps://keys.openpgp.org --recv-keys 94AE36675C464D64BAFA68DD7434390BDBE9B9C5",
            "CMD [\"node\" \"server.js\"]",
            "mysql -u root -p app",
            "mysql -h db -P 3306 -pass",
            "psql -p 5432 -h db",
            "docker run -p 8080:80 app",
            "RUN /bin/sh -c mkdir -p /app/data && cp -pr a b",
            "CMD-SHELL redis-cli -a $REDIS_PASSWORD ping",
            "CMD-SHELL mysqladmin ping -uroot -p$MYSQL_ROOT_PASSWORD",
            "CMD-SHELL mysqladmin ping -uroot -p\"${MYSQL_ROOT_PASSWORD}\"",
            "RUN /bin/sh -c docker login -u bot -p $TOKEN registry.corp",
            "RUN /bin/sh -c cat /run/secrets/t | docker login -u bot --password-stdin",
            "RUN /bin/sh -c echo \"$TOKEN\" | docker login -u bot --password-stdin",
            "RUN /bin/sh -c curl -H \"Authorization: Bearer $TOKEN\" https://repo.corp",
            "RUN /bin/sh -c curl -H 'Accept: application/json' https://repo.corp",
            "RUN /bin/sh -c openssl req -x509 -nodes -passout pass: -subj /CN=a",
            "RUN /bin/sh -c openssl rsa -passin env:KEY_PASS -in a",
            "RUN /bin/sh -c npm config set registry https://npm.corp",
            "RUN /bin/sh -c git config --global user.name bot",
            "RUN /bin/sh -c chown app:app /x && echo root:$PW | chpasswd",
            "RUN /bin/sh -c python -m pytest -p no:cacheprovider -w 4",
            "RUN /bin/sh -c java -Ddb.password=${DB_PASSWORD} -jar app.jar",
            "RUN /bin/sh -c docker pull registry.corp:5000/app@sha256:94AE36675C464D64BAFA68DD7434390BDBE9B9C5",
            "RUN /bin/sh -c ssh -p 2222 host",
            "RUN /bin/sh -c cat /x | docker login -u bot --password-stdin registry.corp",
        ] {
            assert_eq!(said(in_command(text)), "", "{text}");
        }
    }

    #[test]
    fn c85_a_key_in_percent_escapes_is_found_and_not_shown() {
        // Seed and algorithm of Ed25519, as RFC 8410 writes them, with nobody's seed.
        let key: Vec<u8> = [
            &[0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20][..],
            &[0x5a; 32],
        ]
        .concat();
        let body = super::super::pem::LENIENT.encode(key).replace('+', "%2B").replace('=', "%3D");
        let text =
            format!("-----BEGIN%20PRIVATE%20KEY-----%0A{body}%0A-----END%20PRIVATE%20KEY-----%0A");
        assert_eq!(said(in_value("WORD", &text)), "private-key");
        assert_eq!(
            said(in_command(&format!("RUN /bin/sh -c curl -d {text} https://a.corp"))),
            "private-key"
        );
        assert_eq!(shown_variable(&format!("WORD={text}")), "WORD=[secret]");
        let words = ["curl".to_owned(), "-d".to_owned(), text];
        assert_eq!(shown_command(&words).join(" "), "curl -d [secret]");
    }

    #[test]
    fn c55_every_part_of_a_configuration_is_searched() {
        let none = json!({"Env": ["A=b"], "Cmd": ["/app"], "OnBuild": ["RUN make"], "Shell": ["/bin/sh", "-c"]});
        let parts = |config: &serde_json::Value, step: &str| {
            let whole = json!({
                "architecture": "amd64", "os": "linux", "config": config,
                "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{}", "a".repeat(64))]},
                "history": [{"created_by": step}],
            });
            let bytes = whole.to_string().into_bytes();
            let digest = ConfigDigest::of(&bytes);
            let checked = Checked::new("configuration", digest, bytes.into()).unwrap();
            let config = ImageConfig::parse(checked, &Limits::default()).unwrap();
            let part = |secret: Secret| match secret.source {
                Source::Config { part, .. } => part,
                Source::File { .. } => unreachable!(),
            };
            in_config(&config).into_iter().map(part).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(parts(&none, "RUN make"), "");
        let secret = "curl -u a:s9df8sdf https://repo.corp";
        for (key, value, want) in [
            ("Env", json!(["C=Server=db;Password=s9df8sdf"]), "env"),
            ("Cmd", json!(["sh", "-c", secret]), "cmd"),
            ("Entrypoint", json!(["mysql", "-ps9df8sdf"]), "entrypoint"),
            ("Healthcheck", json!({"Test": ["CMD-SHELL", secret]}), "healthcheck"),
            ("OnBuild", json!([format!("RUN {secret}")]), "onbuild"),
            ("Shell", json!(["sshpass", "-ps9df8sdf", "ssh", "host"]), "shell"),
            ("Labels", json!({"run": secret}), "labels"),
        ] {
            let mut config = none.clone();
            config[key] = value;
            assert_eq!(parts(&config, "RUN make"), want, "{key}");
        }
        assert_eq!(parts(&none, "RUN |1 VERSION=s9df8sdf /bin/sh -c make"), "");
        assert_eq!(parts(&none, "RUN |1 DB_PASSWORD=s9df8sdf /bin/sh -c make"), "history");
        assert_eq!(parts(&none, &format!("RUN /bin/sh -c {secret}")), "history");
    }
}
