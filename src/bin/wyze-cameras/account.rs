//! `login`, `refresh` and `logout`.

use super::Failure;
use super::list::{ListArguments, list};
use super::output::{print, printable, tell};
use clap::Args;
use gstwyze::account::cloud::{ApiKey, CameraList, CloudError, CodeSource, Hosts, Login};
use gstwyze::account::{Access, AccessError, Origin, Secret, Store, replace_account};
use std::io::{self, IsTerminal, Write};
use zeroize::Zeroizing;

/// Log in to a Wyze account, and keep its cameras.
///
/// Asks for what is not in the environment, and shows only the e-mail address and the key id as they are typed. The
/// password is not kept. A key id and API key come from developer-api-console.wyze.com; without them, the app's old way
/// is tried. Wyze locks accounts after a few failed logins, so after one that failed the next has to wait.
#[derive(Args, Debug)]
#[command(after_help = "Environment:
  WYZE_EMAIL, WYZE_PASSWORD   the account; a password may be its hash, md5:HASH (MD5 three times)
  WYZE_KEY_ID, WYZE_API_KEY   a key of the account
  WYZE_TOTP_SECRET            the secret of the authenticator app, for accounts with a second factor")]
pub struct LoginArguments {}

/// Fetch the cameras of the account anew, with the login that is kept.
///
/// Where the cloud no longer takes that login, this logs in again, but only if the account is in the environment (see
/// login --help).
#[derive(Args, Debug)]
pub struct RefreshArguments {}

/// Forget the login.
#[derive(Args, Debug)]
pub struct LogoutArguments {
    /// Remove the account's cameras too; those added by hand or imported stay
    #[arg(long)]
    cameras: bool,
}

pub fn login(store: &Store, _: &LoginArguments) -> Result<(), Failure> {
    let login = match login_from_environment() {
        Some(login) => login,
        None => ask_login()?,
    };
    let access = Access::new(store, Hosts::from_environment())?;
    log_in(&access, &login)?;
    fetch(store, &access, None)
}

pub fn refresh(store: &Store) -> Result<(), Failure> {
    let access = Access::new(store, Hosts::from_environment())?;
    let mut login = login_from_environment();
    if !access.is_logged_in()? {
        log_in(&access, &login.take().ok_or(AccessError::LoggedOut)?)?;
    }
    fetch(store, &access, login.as_ref())
}

pub fn logout(store: &Store, arguments: &LogoutArguments) -> Result<(), Failure> {
    let was_in = Access::new(store, Hosts::from_environment())?.logout()?;
    print(if was_in { "Logged out." } else { "Nobody was logged in." })?;
    if arguments.cameras {
        let removed = store.update(|cameras| {
            let before = cameras.len();
            cameras.retain(|camera| camera.origin != Origin::Account);
            Ok::<_, Failure>(before - cameras.len())
        })?;
        print(format_args!("Cameras removed: {removed}."))?;
    }
    Ok(())
}

fn log_in(access: &Access, login: &Login) -> Result<(), Failure> {
    tell("Logging in…");
    Ok(access.login(login, &mut ask_code)?)
}

/// Fetches and keeps the list of cameras. Where the kept login is void, logs in again with `login`.
fn fetch(store: &Store, access: &Access, login: Option<&Login>) -> Result<(), Failure> {
    tell("Fetching the list of cameras…");
    let is_void = |e: &AccessError| matches!(e, AccessError::Cloud(CloudError::TokenExpired));
    let fetched: CameraList = match (access.cameras(), login) {
        (Err(error), Some(login)) if is_void(&error) => {
            log_in(access, login)?;
            access.cameras()?
        }
        (result, _) => result?,
    };
    for device in &fetched.left_out {
        tell(format_args!("wyze-cameras: {} is left out: {}", printable(&device.name), device.error));
    }
    store.update(|cameras| {
        replace_account(cameras, fetched);
        Ok::<_, Failure>(())
    })?;
    list(store, &ListArguments::default())
}

/// Returns a variable of the environment, unless it is empty.
fn variable(name: &str) -> Option<Secret> {
    std::env::var(name).ok().filter(|value| !value.is_empty()).map(Secret::from)
}

/// Returns the login of the environment, where that has at least the e-mail address and the password.
fn login_from_environment() -> Option<Login> {
    let api_key = variable("WYZE_KEY_ID").zip(variable("WYZE_API_KEY"));
    Some(Login {
        email: variable("WYZE_EMAIL")?,
        password: variable("WYZE_PASSWORD")?,
        api_key: api_key.map(|(id, key)| ApiKey { id, key }),
        totp_secret: variable("WYZE_TOTP_SECRET"),
    })
}

fn ask_login() -> Result<Login, Failure> {
    let ask = |name: &str, question: &str, is_secret| match variable(name) {
        Some(value) => Ok(value),
        None => prompt(question, is_secret),
    };
    let email = ask("WYZE_EMAIL", "E-mail: ", false)?;
    let password = ask("WYZE_PASSWORD", "Password: ", true)?;
    if email.is_empty() || password.is_empty() {
        return Err(Failure::Other("an e-mail address and a password are needed".into()));
    }
    let id = ask("WYZE_KEY_ID", "Key id (empty for none): ", false)?;
    let api_key = match id.is_empty() {
        true => None,
        false => Some(ApiKey { key: ask("WYZE_API_KEY", "API key: ", true)?, id }),
    };
    Ok(Login { email, password, api_key, totp_secret: variable("WYZE_TOTP_SECRET") })
}

fn ask_code(source: CodeSource) -> Option<String> {
    let question = match source {
        CodeSource::App => "Code of your authenticator app: ",
        CodeSource::Sms => "Code that Wyze has sent by SMS: ",
        CodeSource::Email => "Code that Wyze has sent by e-mail: ",
    };
    prompt(question, false).ok().filter(|code| !code.is_empty()).map(|code| code.expose().to_owned())
}

/// Asks in the terminal, or takes the next line of a pipe. Returns an empty text at the end of the input.
pub fn prompt(question: &str, is_secret: bool) -> Result<Secret, Failure> {
    let failed = |e: io::Error| Failure::Other(format!("nobody answers {question:?} ({e})"));
    write!(io::stderr(), "{question}").and_then(|()| io::stderr().flush()).map_err(failed)?;
    // What outgrows its place in memory would leave a copy behind.
    let mut line = Zeroizing::new(String::with_capacity(1024));
    if is_secret && io::stdin().is_terminal() {
        line = Zeroizing::new(rpassword::read_password().map_err(failed)?);
    } else {
        io::stdin().read_line(&mut line).map_err(failed)?;
        if !io::stdin().is_terminal() {
            tell("");
        }
    }
    Ok(line.trim().into())
}
