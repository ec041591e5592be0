//! Korean: polite (합니다, -세요), and worded so that no particle depends on how a name ends.

use super::{CLAUDE_CODE, Reconnecting, Texts, WebTexts};
use crate::error::Reason;
use crate::pages::RefusalKind;

pub(in crate::pages) const TEXTS: Texts = Texts {
    consent_title: |server| format!("{server} 연결"),
    asks: |app, server| format!("{app}에서 내 계정으로 {server} 사용을 요청합니다"),
    local_program: "이 컴퓨터의 프로그램",
    app_at: |host| format!("{host}의 앱"),
    app_of_scheme: |scheme| format!("{scheme} 링크를 여는 앱"),
    able_to: "허용하면 이 앱이 할 수 있는 일",
    stay_connected: "본인 또는 관리자가 해제할 때까지 연결 유지",
    warn_local: "컴퓨터에서 실행 중인 프로그램이 보낸 요청입니다. 이 서버는 어떤 프로그램인지 확인할 수 없습니다.",
    warn_elsewhere: "이 서버에 알려지지 않은 앱입니다. 아래 주소로 접근 권한이 전달되므로 주소를 반드시 확인하세요.",
    warn_unregistered: "이 앱은 이 서버에 등록되어 있지 않습니다.",
    only_if_started: "방금 본인이 직접 시작한 경우에만 계속하세요.",
    only_if_started_in: |platform| format!("방금 {platform}에서 본인이 직접 시작한 경우에만 계속하세요."),
    access_goes_to: "권한을 받는 곳",
    calls_itself: "앱이 밝힌 이름",
    own_words: "확인되지 않은 이름",
    known_as: "등록된 이름",
    registration: "등록 상태",
    pre_registered: "이 서버의 관리자가 등록함",
    self_registered: "앱이 직접 등록함(모든 앱이 등록 가능)",
    imported: "이전 시스템에서 가져옴",
    unregistered: "등록되지 않음(이 서버가 모르는 ID)",
    described_at: "앱이 밝힌 소속",
    anyone_can_say_so: "컴퓨터의 모든 프로그램이 이렇게 밝힐 수 있음",
    for_server: "대상 서버",
    sign_in_with: "로그인 방법",
    remembered: |days| format!("허용하면 이 브라우저에서 {days}일 동안 다시 묻지 않습니다."),
    allow: "허용하고 로그인",
    cancel: "취소",
    refusal_title,
    advice,
    how_to_reconnect: "커넥터를 삭제하고 다시 추가하는 방법",
    reconnecting: &[
        Reconnecting {
            app: "Claude",
            how: "설정의 커넥터 메뉴에서 해당 커넥터를 삭제한 다음 다시 추가하세요.",
            commands: &[],
        },
        Reconnecting {
            app: "ChatGPT",
            how: "설정의 앱 또는 커넥터 메뉴에서 해당 커넥터를 삭제한 다음 다시 추가하세요.",
            commands: &[],
        },
        Reconnecting {
            app: "Claude Code",
            how: "아래 두 명령을 입력한 다음 /mcp에서 로그인하세요.",
            commands: CLAUDE_CODE,
        },
        Reconnecting {
            app: "Cursor",
            how: "mcp.json에서 서버를 지우고 저장한 다음 다시 추가하고 로그인하세요.",
            commands: &[],
        },
        Reconnecting {
            app: "Visual Studio Code",
            how: "명령 팔레트에서 아래 명령을 실행한 다음 서버를 다시 시작하세요.",
            commands: &["Authentication: Remove Dynamic Authentication Providers"],
        },
    ],
    back_to_app: "앱으로 돌아가기",
    reference: "문의 번호",
    quote_reference: "도움을 요청할 때 이 번호를 알려 주세요.",
    reason: "사유",
    for_developers: "개발자용 정보",
    web: WebTexts {
        connections: "연결된 앱",
        connections_about: "내 계정으로 이 서버에 접근할 수 있는 앱을 확인하고 연결을 해제할 수 있습니다.",
        console: "서버 관리",
        console_about: "이 서버의 운영자를 위한 페이지입니다. 여기에서 하는 작업은 본인의 이름으로 기록됩니다.",
        sign_in_with: |login| format!("{login} 계정으로 로그인"),
        signed_in_as: |person| format!("로그인한 사용자: {person}"),
        sign_out: "로그아웃",
        signed_in: "로그인되었습니다",
        go_on: "계속",
        have_access: "내 계정으로 접근할 수 있는 앱",
        none_have_access: "내 계정으로 접근할 수 있는 앱이 없습니다.",
        local_program: "내 컴퓨터의 프로그램",
        connected_since: "처음 연결한 시간",
        last_used: "마지막 사용",
        sign_ins: "로그인",
        times: |n| format!("{n}회"),
        disconnect: "연결 해제",
        disconnect_app: |app| format!("{app} 연결 해제"),
        disconnect_all: "모두 연결 해제",
        what_it_does: "연결을 해제한 앱은 다시 연결할 때까지 접근할 수 없습니다. 앱에 있는 데이터는 삭제되지 않습니다.",
        disconnected: |app, n| format!("{app}: 연결을 해제하여 로그인 {n}건이 종료되었습니다."),
        see_connections: "내 계정으로 접근할 수 있는 앱 보기",
        sign_in_again: "페이지 다시 열기",
    },
};

const fn refusal_title(kind: RefusalKind) -> &'static str {
    match kind {
        RefusalKind::Declined => "연결하지 않았습니다",
        RefusalKind::NoAccess => "접근 권한이 없습니다",
        RefusalKind::Reconnect => "앱을 다시 연결해야 합니다",
        RefusalKind::StartAgain => "앱에서 다시 시작해 주세요",
        RefusalKind::SignInAgain => "페이지를 다시 열어 주세요",
        RefusalKind::AppFault => "앱이 지원되지 않는 요청을 보냈습니다",
        RefusalKind::Busy => "잠시 후 다시 시도해 주세요",
        RefusalKind::ServerFault => "서버에 문제가 발생했습니다",
        RefusalKind::NothingHere => "표시할 페이지가 없습니다",
    }
}

const fn advice(reason: Reason) -> &'static str {
    match reason {
        Reason::RequestMalformed => {
            "앱이 불완전한 로그인 요청을 보냈습니다. 앱에서 다시 시작하세요. 같은 문제가 반복되면 앱에서 커넥터를 삭제한 다음 다시 추가하세요."
        }
        Reason::ClientNotAccepted => {
            "이 서버가 알지 못하는 앱 ID이거나, 앱이 자신의 것이 아닌 주소로 이동하도록 요청했습니다. 앱에서 커넥터를 삭제한 다음 다시 추가하면 새로 등록됩니다."
        }
        Reason::ClientBlocked => {
            "이 서버의 관리자가 이 앱을 차단했습니다. 잘못된 조치라고 생각되면 관리자에게 문의하세요."
        }
        Reason::ResourceUnknown => {
            "앱이 이 주소에 없는 서버를 요청했습니다. 앱에 설정된 커넥터 주소를 확인하세요. 주소가 올바르면 커넥터를 삭제한 다음 다시 추가하세요."
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
            "앱이 이 서버에서 지원하지 않는 방식으로 로그인을 요청했습니다. 앱을 업데이트한 다음 다시 시도하세요. 계속 문제가 발생하면 앱 제공자에게 문의하세요."
        }
        Reason::PromptNone => {
            "앱이 사용자에게 묻지 않고 로그인하려고 했습니다. 이 서버는 항상 사용자의 확인을 받습니다. 앱에서 다시 시작하세요."
        }
        Reason::ScopeTooWide => {
            "앱이 이 서버에서 받을 수 있는 것보다 많은 권한을 요청했습니다. 앱에서 다시 시작하거나 관리자에게 문의하세요."
        }
        Reason::CookiesBlocked => {
            "이 페이지에 필요한 쿠키를 브라우저가 보내지 않았습니다. 이 사이트의 쿠키를 허용한 다음 앱에서 다시 시작하세요."
        }
        Reason::WebSignInAgain => {
            "이 페이지에 로그인되어 있지 않습니다. 로그인이 취소되었거나 시간이 초과되었거나 다른 브라우저에서 시작되었습니다. 페이지를 다시 열고 로그인하세요."
        }
        Reason::WebFormForeign => {
            "유효한 본인의 페이지에서 보낸 양식이 아니므로 아무것도 변경하지 않았습니다. 페이지를 다시 여세요."
        }
        Reason::AdminNotAdmitted => {
            "로그인은 되었지만 이 계정으로는 이 서버의 관리 페이지를 사용할 수 없습니다. 서버 운영자에게 문의하세요. 다른 계정을 사용하려면 먼저 회사 로그인에서 로그아웃하세요."
        }
        Reason::CrossSitePost => {
            "다른 웹사이트에서 전송된 양식입니다. 방금 앱을 연결하려고 하지 않았다면 이 페이지를 닫으세요. 직접 연결하려고 했다면 앱에서 다시 시작하세요."
        }
        Reason::ConsentNotYours => {
            "다른 브라우저 또는 다른 로그인에 속한 승인 페이지입니다. 앱에서 다시 시작한 다음, 앱이 연 브라우저 창에서 승인하세요."
        }
        Reason::ConsentExpired => "페이지를 연 지 오래되어 만료되었습니다. 앱에서 다시 시작하세요.",
        Reason::ConsentOtherUser => {
            "이 브라우저에서 다른 사용자가 앱의 연결을 허용한 적이 있어 로그인을 중단했습니다. 앱에서 다시 시작하면 직접 확인할 수 있습니다."
        }
        Reason::ConsentDenied => "앱의 연결을 허용하지 않았습니다. 공유된 정보는 없습니다. 이 페이지를 닫아도 됩니다.",
        Reason::CallbackMalformed => "로그인 페이지의 응답이 불완전합니다. 앱에서 다시 시작하세요.",
        Reason::CallbackOtherBrowser => {
            "이 브라우저에서 시작한 로그인이 아닙니다. 앱을 승인한 브라우저에서 쿠키를 허용하고 로그인을 마치세요. 또는 앱에서 다시 시작하세요."
        }
        Reason::CallbackExpired => "로그인 시간이 초과되었습니다. 앱에서 다시 시작하세요.",
        Reason::CallbackUsed => {
            "이미 완료된 로그인입니다. 앱으로 돌아가세요. 연결되어 있지 않으면 앱에서 다시 시작하세요."
        }
        Reason::UpstreamDenied => "회사 로그인이 취소되었거나 거부되었습니다. 다시 시도하려면 앱에서 다시 시작하세요.",
        Reason::UpstreamConsent => {
            "소속 조직에서 이 서버의 로그인 애플리케이션을 아직 승인하지 않았습니다. 관리자에게 승인을 요청하세요."
        }
        Reason::UpstreamNotAllowed => {
            "소속 조직의 로그인 정책에 따라 이 계정으로는 이 서버를 사용할 수 없습니다. 관리자에게 문의하세요."
        }
        Reason::UpstreamBusy => {
            "현재 회사 로그인이 응답하지 않습니다. 잠시 후 이 페이지를 새로 고치세요. 해결되지 않으면 앱에서 다시 시작하세요."
        }
        Reason::UpstreamFailed => "회사 로그인에 문제가 발생했습니다. 잠시 후 앱에서 다시 시작하세요.",
        Reason::UpstreamCode => "회사 로그인이 마지막 단계를 받아들이지 않았습니다. 앱에서 다시 시작하세요.",
        Reason::UpstreamInvalid => {
            "회사 로그인의 응답을 검증할 수 없어 로그인하지 않았습니다. 앱에서 다시 시작하세요. 같은 문제가 반복되면 아래 문의 번호와 함께 관리자에게 알려 주세요."
        }
        Reason::UpstreamConfiguration => {
            "이 서버와 회사 로그인의 연결이 올바르게 설정되지 않았습니다. 아래 문의 번호와 함께 관리자에게 알려 주세요."
        }
        Reason::NotAdmitted => {
            "로그인은 되었지만 이 계정으로는 이 서버를 사용할 수 없습니다. 이 서버의 관리자에게 문의하세요. 다른 계정을 사용하려면 먼저 회사 로그인에서 로그아웃한 다음 앱에서 다시 시작하세요."
        }
        Reason::GroupsUnknown => {
            "로그인은 되었지만 소속된 그룹이 너무 많아 회사 로그인이 그룹을 알려 주지 않습니다. 이 서버의 관리자에게 역할이나 이름으로 접근을 허용해 달라고 요청하세요."
        }
        Reason::AdmissionUnavailable => {
            "이 계정으로 이 서버를 사용할 수 있는지 지금은 확인할 수 없습니다. 잠시 후 앱에서 다시 시작하세요."
        }
        Reason::SignInBlocked => {
            "이 서버의 관리자가 접근을 차단했습니다. 잘못된 조치라고 생각되면 관리자에게 문의하세요."
        }
        Reason::RegistrationOff => "이 서버에서는 앱이 스스로 등록할 수 없습니다. 관리자에게 앱 설정을 요청하세요.",
        Reason::StoreUnavailable => {
            "현재 이 서버가 데이터베이스에 연결할 수 없습니다. 손실된 데이터는 없습니다. 잠시 후 이 페이지를 새로 고치세요."
        }
        Reason::TooManyRequests => {
            "짧은 시간에 회원님의 네트워크에서 요청이 너무 많이 들어왔습니다. 손실된 데이터는 없습니다. 1분쯤 기다린 후 이 페이지를 새로 고치세요."
        }
        Reason::ServerBusy => {
            "현재 이 서버에 처리할 작업이 너무 많습니다. 손실된 데이터는 없습니다. 1분쯤 기다린 후 이 페이지를 새로 고치세요."
        }
        Reason::StoreInconsistent => {
            "이 서버에서 손상된 데이터가 발견되었습니다. 아래 문의 번호와 함께 관리자에게 알려 주세요."
        }
        Reason::Internal => "이 서버 내부에서 문제가 발생했습니다. 아래 문의 번호와 함께 관리자에게 알려 주세요.",
        Reason::RandomUnavailable => {
            "현재 이 서버가 안전하게 동작할 수 없습니다. 아래 문의 번호와 함께 관리자에게 알려 주세요."
        }
        Reason::NotFound => "이 주소에는 아무것도 없습니다. 앱을 연결하려면 앱에서 시작하세요.",
        Reason::MethodNotAllowed => "이 주소는 직접 열 수 없습니다. 앱을 연결하려면 앱에서 시작하세요.",
        Reason::TokenRequestMalformed | Reason::BodyTooLarge | Reason::BodyIncomplete | Reason::MediaType => {
            "브라우저가 보낸 내용이 올바르게 도착하지 않았습니다. 앱에서 다시 시작하세요."
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
            "이 주소는 사람이 아니라 앱이 사용하는 주소입니다. 앱에서 이 페이지로 이동했다면 앱에서 다시 로그인하세요."
        }
    }
}
