//! What a refusal means for the person who meets it: a few kinds, each with a title and a next step.

use crate::error::Reason;

/// What kind of trouble a person is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RefusalKind {
    /// The person said no, here or at the login page.
    Declined,
    /// This account, or this app, may not come in. An administrator can change that.
    NoAccess,
    /// The app holds something that is of no use any more: remove the connector and add it again.
    Reconnect,
    /// This attempt is over or was taken up in the wrong place: start again from the app.
    StartAgain,
    /// A page of this server wants to know who looks at it: open it again and sign in there.
    SignInAgain,
    /// The app asked for something that this server does not do. Only whoever makes the app can mend that.
    AppFault,
    /// The same will work later.
    Busy,
    /// Something is wrong here or at the login. An administrator has to look.
    ServerFault,
    /// Nothing for people is at this address.
    NothingHere,
}

impl RefusalKind {
    /// Every kind.
    pub const ALL: &[Self] = &[
        Self::Declined,
        Self::NoAccess,
        Self::Reconnect,
        Self::StartAgain,
        Self::SignInAgain,
        Self::AppFault,
        Self::Busy,
        Self::ServerFault,
        Self::NothingHere,
    ];

    /// The kind of a reason.
    #[must_use]
    pub const fn of(reason: Reason) -> Self {
        match reason {
            Reason::ConsentDenied | Reason::UpstreamDenied => Self::Declined,
            Reason::ClientBlocked
            | Reason::UpstreamConsent
            | Reason::UpstreamNotAllowed
            | Reason::NotAdmitted
            | Reason::GroupsUnknown
            | Reason::SignInBlocked
            | Reason::AdminNotAdmitted
            | Reason::RegistrationOff => Self::NoAccess,
            Reason::RequestMalformed | Reason::ClientNotAccepted | Reason::ResourceUnknown => Self::Reconnect,
            Reason::CookiesBlocked
            | Reason::CrossSitePost
            | Reason::ConsentNotYours
            | Reason::ConsentExpired
            | Reason::ConsentOtherUser
            | Reason::CallbackMalformed
            | Reason::CallbackOtherBrowser
            | Reason::CallbackExpired
            | Reason::CallbackUsed
            | Reason::UpstreamCode => Self::StartAgain,
            Reason::WebSignInAgain | Reason::WebFormForeign => Self::SignInAgain,
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
            | Reason::PromptNone
            | Reason::ScopeTooWide
            | Reason::ResourceMismatch
            | Reason::ClientMetadata
            | Reason::RedirectNotAllowed
            | Reason::SoftwareStatement => Self::AppFault,
            Reason::UpstreamBusy
            | Reason::UpstreamFailed
            | Reason::StoreUnavailable
            | Reason::AdmissionUnavailable
            | Reason::TooManyRequests
            | Reason::ServerBusy => Self::Busy,
            Reason::UpstreamInvalid
            | Reason::UpstreamConfiguration
            | Reason::StoreInconsistent
            | Reason::Internal
            | Reason::RandomUnavailable => Self::ServerFault,
            Reason::TokenRequestMalformed
            | Reason::GrantTypeUnsupported
            | Reason::GrantNotAllowed
            | Reason::ClientKeysWithheld
            | Reason::RevocationUnsupported
            | Reason::RegistrationToken
            | Reason::RegistrationBusy
            | Reason::ClientUnknown
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
            | Reason::McpSessionForeign
            | Reason::BodyTooLarge
            | Reason::BodyIncomplete
            | Reason::MediaType
            | Reason::MethodNotAllowed
            | Reason::NotFound => Self::NothingHere,
        }
    }

    /// Whether the advice is to remove the connector and add it again, so that the way to do it helps.
    #[must_use]
    pub const fn is_mended_by_reconnecting(self) -> bool {
        matches!(self, Self::Reconnect)
    }
}
