//! English.

use super::{CLAUDE_CODE, Reconnecting, Texts, WebTexts};
use crate::error::Reason;
use crate::pages::RefusalKind;

pub(in crate::pages) const TEXTS: Texts = Texts {
    consent_title: |server| format!("Connect to {server}"),
    asks: |app, server| format!("{app} wants to use {server} in your name"),
    local_program: "A program on this computer",
    app_at: |host| format!("An app at {host}"),
    app_of_scheme: |scheme| format!("An app that opens {scheme} links"),
    able_to: "It will be able to",
    stay_connected: "Stay connected until you or your administrator end it",
    warn_local: "The request comes from a program that runs on a computer. This server cannot tell which program that is.",
    warn_elsewhere: "The app is not one that this server knows. Check the address below: that is who gets access.",
    warn_unregistered: "This app is not registered with this server.",
    only_if_started: "Continue only if you started this yourself just now.",
    only_if_started_in: |platform| format!("Continue only if you started this in {platform} just now."),
    access_goes_to: "Access goes to",
    calls_itself: "Calls itself",
    own_words: "its own words, not checked",
    known_as: "Known as",
    registration: "Registration",
    pre_registered: "Registered by the administrator of this server",
    self_registered: "Registered itself, as any app can",
    imported: "Taken over from an earlier system",
    unregistered: "None: this server does not know its id",
    described_at: "Says that it belongs to",
    anyone_can_say_so: "any program on a computer can say so",
    for_server: "For the server",
    sign_in_with: "You sign in with",
    remembered: |days| format!("If you allow it, this browser does not ask again for {days} days."),
    allow: "Allow and sign in",
    cancel: "Cancel",
    refusal_title,
    advice,
    how_to_reconnect: "How to remove the connector and add it again",
    reconnecting: &[
        Reconnecting {
            app: "Claude",
            how: "Open Settings, then Connectors. Remove the connector, then add it again.",
            commands: &[],
        },
        Reconnecting {
            app: "ChatGPT",
            how: "Open Settings, then Apps or Connectors. Remove the connector, then add it again.",
            commands: &[],
        },
        Reconnecting {
            app: "Claude Code",
            how: "Type these two commands, then sign in with /mcp.",
            commands: CLAUDE_CODE,
        },
        Reconnecting {
            app: "Cursor",
            how: "Take the server out of mcp.json and save, then put it in again and sign in.",
            commands: &[],
        },
        Reconnecting {
            app: "Visual Studio Code",
            how: "Run this from the Command Palette, then restart the server.",
            commands: &["Authentication: Remove Dynamic Authentication Providers"],
        },
    ],
    back_to_app: "Back to the app",
    reference: "Reference",
    quote_reference: "Quote this if you ask for help.",
    reason: "Reason",
    for_developers: "For developers",
    web: WebTexts {
        connections: "Your connected apps",
        connections_about: "See which apps have access to this server in your name, and disconnect them.",
        console: "Administration",
        console_about: "For those who run this server. What you do here is on the record under your name.",
        sign_in_with: |login| format!("Sign in with {login}"),
        signed_in_as: |person| format!("Signed in as {person}"),
        sign_out: "Sign out",
        signed_in: "You are signed in",
        go_on: "Continue",
        have_access: "These apps have access in your name",
        none_have_access: "No app has access in your name.",
        local_program: "A program on one of your computers",
        connected_since: "Connected since",
        last_used: "Last used",
        sign_ins: "Signed in",
        times: |n| if n == 1 { "once".to_owned() } else { format!("{n} times") },
        disconnect: "Disconnect",
        disconnect_app: |app| format!("Disconnect {app}"),
        disconnect_all: "Disconnect all",
        what_it_does: "A disconnected app has no access until you connect it again. Nothing is deleted in the app.",
        disconnected: |app, n| match n {
            1 => format!("{app} is disconnected: 1 sign-in ended."),
            _ => format!("{app} is disconnected: {n} sign-ins ended."),
        },
        see_connections: "See which apps have access in your name",
        sign_in_again: "Open the page again",
    },
};

const fn refusal_title(kind: RefusalKind) -> &'static str {
    match kind {
        RefusalKind::Declined => "Not connected",
        RefusalKind::NoAccess => "You do not have access",
        RefusalKind::Reconnect => "The app needs to be connected again",
        RefusalKind::StartAgain => "Please start again from the app",
        RefusalKind::SignInAgain => "Please open the page again",
        RefusalKind::AppFault => "The app asked for something that does not work here",
        RefusalKind::Busy => "Please try again in a minute",
        RefusalKind::ServerFault => "Something is wrong on our side",
        RefusalKind::NothingHere => "There is no page here",
    }
}

const fn advice(reason: Reason) -> &'static str {
    match reason {
        Reason::RequestMalformed => {
            "The app sent an incomplete sign-in request. Start again from the app. If it happens again, remove the connector there and add it again."
        }
        Reason::ClientNotAccepted => {
            "This server does not know the app under this id, or the app asked to be sent to an address that is not its own. Remove the connector in the app and add it again, so that it registers anew."
        }
        Reason::ClientBlocked => {
            "The administrator of this server has blocked this app. Ask them if you think that is a mistake."
        }
        Reason::ResourceUnknown => {
            "The app asked for a server that is not at this address. Check the address of the connector in the app. If it is right, remove the connector and add it again."
        }
        Reason::ParameterRepeated
        | Reason::ResponseTypeMissing
        | Reason::ResponseTypeUnsupported
        | Reason::ResponseModeUnsupported
        | Reason::PkceChallenge
        | Reason::PkceMethod
        | Reason::StateTooLong
        | Reason::RequestTooLarge
        | Reason::RequestObject
        | Reason::RequestUri
        | Reason::ParameterUnsupported
        | Reason::ResourceMismatch
        | Reason::ClientMetadata
        | Reason::RedirectNotAllowed
        | Reason::SoftwareStatement => {
            "The app sent a sign-in request that this server does not support. Update the app and try again. If that does not help, tell whoever makes the app."
        }
        Reason::PromptNone => {
            "The app tried to sign in without asking you, and this server always asks. Start again from the app."
        }
        Reason::ScopeTooWide => {
            "The app asked for more than it can get on this server. Start again from the app, or ask your administrator."
        }
        Reason::CookiesBlocked => {
            "Your browser did not send back the cookie that this page needs. Allow cookies for this site, then start again from the app."
        }
        Reason::WebSignInAgain => {
            "You are not signed in to this page: the sign-in was cancelled, took too long, or was begun in another browser. Open the page again and sign in there."
        }
        Reason::WebFormForeign => {
            "This form did not come from a page of yours that is still good, so nothing was changed. Open the page again."
        }
        Reason::AdminNotAdmitted => {
            "You are signed in, but this account may not use the administration of this server. Ask whoever runs it. To use another account, sign out of the company login first."
        }
        Reason::CrossSitePost => {
            "This form was sent from another website. If you did not just try to connect an app, close this page. Otherwise start again from the app."
        }
        Reason::ConsentNotYours => {
            "This approval page belongs to another browser or another sign-in. Start again from the app, and approve in the browser window that it opens."
        }
        Reason::ConsentExpired => "This page was open for too long. Start again from the app.",
        Reason::ConsentOtherUser => {
            "Somebody else allowed the app to connect in this browser, so this sign-in was stopped. Start again from the app: this time you are asked yourself."
        }
        Reason::ConsentDenied => "You did not allow the app to connect. Nothing was shared. You can close this page.",
        Reason::CallbackMalformed => "The answer of the login page was incomplete. Start again from the app.",
        Reason::CallbackOtherBrowser => {
            "This sign-in was not begun in this browser. Finish it in the browser in which you approved the app, with cookies allowed. Or start again from the app."
        }
        Reason::CallbackExpired => "Signing in took too long. Start again from the app.",
        Reason::CallbackUsed => {
            "This sign-in is finished already. Go back to the app. If it is not connected, start again there."
        }
        Reason::UpstreamDenied => {
            "The company login was cancelled or refused. Start again from the app if you want to try once more."
        }
        Reason::UpstreamConsent => {
            "Your organisation has not approved this server's sign-in application. Ask your administrator to grant consent."
        }
        Reason::UpstreamNotAllowed => {
            "Your organisation's login does not allow this account to use this server. Ask your administrator."
        }
        Reason::UpstreamBusy => {
            "The company login does not answer at the moment. Reload this page in a minute. If that does not help, start again from the app."
        }
        Reason::UpstreamFailed => {
            "The company login reported a problem of its own. Start again from the app in a minute."
        }
        Reason::UpstreamCode => "The company login did not accept the end of this sign-in. Start again from the app.",
        Reason::UpstreamInvalid => {
            "The answer of the company login could not be verified, so nobody was signed in. Start again from the app. If it happens again, tell your administrator, with the reference below."
        }
        Reason::UpstreamConfiguration => {
            "This server's connection to the company login is not set up correctly. Tell your administrator, with the reference below."
        }
        Reason::NotAdmitted => {
            "You are signed in, but this account may not use this server. Ask the administrator of this server. To use another account, sign out of the company login first, then start again from the app."
        }
        Reason::GroupsUnknown => {
            "You are signed in, but the company login does not say which groups you are in, because they are too many. Ask the administrator of this server to let you in by a role or by name."
        }
        Reason::AdmissionUnavailable => {
            "Whether this account may use this server cannot be found out at the moment. Start again from the app in a minute."
        }
        Reason::SignInBlocked => {
            "The administrator of this server has blocked this access. Ask them if you think that is a mistake."
        }
        Reason::RegistrationOff => {
            "On this server apps cannot register by themselves. Ask its administrator to set the app up."
        }
        Reason::StoreUnavailable => {
            "This server cannot reach its database at the moment. Nothing was lost. Reload this page in a minute."
        }
        Reason::TooManyRequests => {
            "Too many requests came from your network in a short time. Nothing was lost. Wait a minute, then reload this page."
        }
        Reason::ServerBusy => {
            "This server has more to do than it can at the moment. Nothing was lost. Reload this page in a minute."
        }
        Reason::StoreInconsistent => {
            "This server found damaged data. Tell your administrator, with the reference below."
        }
        Reason::Internal => {
            "Something went wrong inside this server. Tell your administrator, with the reference below."
        }
        Reason::RandomUnavailable => {
            "This server cannot work safely at the moment. Tell your administrator, with the reference below."
        }
        Reason::NotFound => "There is nothing at this address. To connect an app, start from the app.",
        Reason::MethodNotAllowed => "This address cannot be opened by itself. To connect an app, start from the app.",
        Reason::TokenRequestMalformed | Reason::BodyTooLarge | Reason::BodyIncomplete | Reason::MediaType => {
            "What your browser sent did not arrive as it should. Start again from the app."
        }
        Reason::GrantTypeUnsupported
        | Reason::ClientUnknown
        | Reason::GrantNotAllowed
        | Reason::ClientKeysWithheld
        | Reason::RevocationUnsupported
        | Reason::RegistrationToken
        | Reason::RegistrationBusy
        | Reason::ClientAuthentication
        | Reason::CodeInvalid
        | Reason::CodeMismatch
        | Reason::CodeExpired
        | Reason::CodeUsed
        | Reason::CodeReplayed
        | Reason::RefreshInvalid
        | Reason::RefreshOtherClient
        | Reason::SessionOver
        | Reason::UpstreamSignInAgain
        | Reason::UpstreamUserGone
        | Reason::RefreshSuperseded
        | Reason::RefreshReplayed
        | Reason::RefreshAhead
        | Reason::TokenMissing
        | Reason::TokenMalformed
        | Reason::TokenInvalid
        | Reason::TokenExpired
        | Reason::TokenRevoked
        | Reason::ScopeInsufficient
        | Reason::ToolCallUnclear
        | Reason::IssuerUnavailable
        | Reason::McpSessionForeign => {
            "This address is for apps, not for people. If an app sent you here, sign in again from the app."
        }
    }
}
