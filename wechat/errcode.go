package wechat

// meaning explains an errcode of one endpoint.
type meaning struct {
	class   error  // nil when the errcode is unknown
	problem string // what failed
	hint    string // what to do; "" means the hint of the class
}

// meaningOf returns the meaning of an errcode. Sources: WeChat's documentation (全局返回码 and the
// pages api_snsaccesstoken, api_snsrefreshtoken, api_snsuserinfo and api_snsauth, checked in 2026)
// and, for codes missing there, reports from production.
func meaningOf(endpoint string, code int) meaning {
	switch code {
	case 40001, 40014, 42001:
		// 40001 was formerly the errcode of a wrong AppSecret.
		switch endpoint {
		case endpointToken:
			return meaning{ErrConfiguration, "WeChat rejected the AppSecret", "correct the Client's Secret"}
		case endpointRefresh:
			return meaning{ErrReauthorize, "the refresh token is invalid or expired", ""}
		}
		return meaning{ErrTokenExpired, "the access token is invalid or expired", ""}
	case -1:
		return meaning{ErrTemporary, "WeChat has a system error", ""}
	case 45009, 45011:
		return meaning{ErrRateLimited, "too many calls", ""}
	case 50002:
		return meaning{ErrUserRestricted, "the user's account at WeChat is frozen or deregistered", ""}
	case 40226:
		return meaning{ErrUserRestricted, "WeChat blocked the code of a high-risk user", ""}
	}
	if m := reauthorize(code); m.class != nil {
		return m
	}
	if m := configuration(code); m.class != nil {
		return m
	}
	return meaning{nil, "unknown errcode", ""}
}

// reauthorize returns the meaning of the errcodes of class ErrReauthorize, or the zero meaning.
func reauthorize(code int) meaning {
	problem := ""
	switch code {
	case 40029:
		problem = "the code is unknown, expired, of another app, or used long ago"
	case 40163:
		problem = "the code was already used"
	case 42003, 61010:
		problem = "the code is expired"
	case 40030, 42002:
		problem = "the refresh token is invalid or expired"
	case 42007:
		problem = "the user changed their WeChat password, which revokes all tokens"
	case 40003:
		problem = "the openid does not belong to the token"
	case 50001:
		problem = "the user has not granted this scope, or has revoked it"
	default:
		return meaning{}
	}
	return meaning{ErrReauthorize, problem, ""}
}

// configuration returns the meaning of the errcodes of class ErrConfiguration, or the zero meaning.
func configuration(code int) meaning {
	problem, hint := "", ""
	switch code {
	case 40002:
		problem, hint = "WeChat rejected the grant type", "check for proxies between this program and WeChat"
	case 40013:
		problem, hint = "unknown AppID, or the token belongs to another app", "correct the Client's AppID"
	case 40125:
		problem, hint = "WeChat rejected the AppSecret", "correct the Client's Secret"
	case 40164, 61004:
		problem = "WeChat rejects calls from this server's IP address"
		hint = "add the address to the IP allow-list (IP白名单) of the app"
	case 40066:
		problem, hint = "unknown path at WeChat", "correct APIURL"
	case 41001, 41002, 41003, 41004, 41008, 41009, 41018:
		problem, hint = "a parameter is missing at WeChat", "check for proxies between this program and WeChat"
	case 43001, 43002, 43003:
		problem, hint = "WeChat rejected the request method or scheme", "correct APIURL: it must be https"
	case 48001:
		problem = "the token or the app lacks the permission for this call"
		hint = "request snsapi_userinfo instead of snsapi_base, and check the permissions of the app"
	case 48004:
		problem, hint = "WeChat has withdrawn this permission from the app", "read the notices at mp.weixin.qq.com"
	case 48017:
		problem, hint = "this address of WeChat is retired", "use the host name in APIURL, not an IP address"
	case 61007, 10015:
		problem, hint = "the official account has not granted this to the third-party platform", "grant it"
	default:
		return meaning{}
	}
	return meaning{ErrConfiguration, problem, hint}
}
