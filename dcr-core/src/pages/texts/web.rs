//! What the pages say that people sign in to.

/// The words of the sign-in page, of one's own connections and of the sign-in to the console, in one language.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct WebTexts {
    /// The title of the page of one's own connections.
    pub connections: &'static str,
    /// What that page is for, where somebody is to sign in to it.
    pub connections_about: &'static str,
    /// The title of the console.
    pub console: &'static str,
    /// What the console is for, where somebody is to sign in to it.
    pub console_about: &'static str,
    /// The button that begins a sign-in: with which login.
    pub sign_in_with: fn(&str) -> String,
    /// Who is signed in, by name or address.
    pub signed_in_as: fn(&str) -> String,
    /// The button that signs out.
    pub sign_out: &'static str,
    /// The title of the page on the way back from the login.
    pub signed_in: &'static str,
    /// The link on it, for browsers that do not go on by themselves.
    pub go_on: &'static str,
    /// Heads the list of apps that have access.
    pub have_access: &'static str,
    /// In the place of that list, if it is empty.
    pub none_have_access: &'static str,
    /// How a program on one of a person's computers is called.
    pub local_program: &'static str,
    /// Heads when an app was connected first.
    pub connected_since: &'static str,
    /// Heads when it was last used.
    pub last_used: &'static str,
    /// Heads how often it is signed in.
    pub sign_ins: &'static str,
    /// How often.
    pub times: fn(usize) -> String,
    /// The button that disconnects one app.
    pub disconnect: &'static str,
    /// The same for who hears it and does not see beside what it is: which app.
    pub disconnect_app: fn(&str) -> String,
    /// The button that disconnects all.
    pub disconnect_all: &'static str,
    /// Beside the buttons: what disconnecting does.
    pub what_it_does: &'static str,
    /// That an app was disconnected: which one, and how many sign-ins ended.
    pub disconnected: fn(&str, usize) -> String,
    /// The link to the page, on other pages.
    pub see_connections: &'static str,
    /// The link back to the sign-in, on a page that says why something does not work.
    pub sign_in_again: &'static str,
}
