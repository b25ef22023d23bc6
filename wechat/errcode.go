package wechat

// meaning is what an errcode says to the caller of one endpoint.
type meaning struct {
	class error  // nil: no class
	what  string // what happened and on whose side
	todo  string // what to do next; "" means the advice of the class
}

// meaningOf reads WeChat's tables (WeChat's documentation, "全局返回码" and the pages api_snsaccesstoken, api_snsrefreshtoken,
// api_snsuserinfo, api_snsauth; last seen true 2026) and, where they are silent, reports from the field.
func meaningOf(endpoint string, code int) meaning {
	// 40001 was the old answer to a wrong secret, and 42001 and its kin make no sense of a token that Refresh has just asked for.
	switch code {
	case 40001, 40014, 42001:
		switch endpoint {
		case endpointToken:
			return meaning{ErrConfiguration, "WeChat does not know this AppSecret", "correct the Client's Secret"}
		case endpointRefresh:
			return meaning{ErrReauthorize, "WeChat does not accept the refresh token any more", ""}
		}
		return meaning{ErrTokenExpired, "WeChat does not accept the access token any more", ""}
	case -1:
		return meaning{ErrTemporary, "WeChat has a system error", ""}
	case 45009, 45011:
		return meaning{ErrRateLimited, "WeChat says there were too many calls", ""}
	case 50002:
		return meaning{ErrUserRestricted, "WeChat says this person is frozen or deregistered", ""}
	case 40226:
		return meaning{ErrUserRestricted, "WeChat blocked this code because of the person's risk", ""}
	}
	if m := startAgain(code); m.class != nil {
		return m
	}
	if m := configuration(code); m.class != nil {
		return m
	}
	return meaning{nil, "WeChat answered an errcode that this package does not know", ""}
}

func startAgain(code int) meaning {
	what := ""
	switch code {
	case 40029:
		what = "WeChat says the code is not valid: unknown, expired, of another app, or used long ago"
	case 40163:
		what = "WeChat says the code was already used"
	case 42003, 61010:
		what = "WeChat says the code is expired"
	case 40030, 42002:
		what = "WeChat says the refresh token is not valid any more"
	case 42007:
		what = "the person has changed their WeChat password, which ends all tokens"
	case 40003:
		what = "WeChat says this openid does not belong to the token"
	case 50001:
		what = "the person has not granted this, or has withdrawn it"
	default:
		return meaning{}
	}
	return meaning{ErrReauthorize, what, ""}
}

func configuration(code int) meaning {
	what, todo := "", ""
	switch code {
	case 40002:
		what, todo = "WeChat refuses the grant type", "check what stands between this program and WeChat"
	case 40013:
		what, todo = "WeChat does not know this AppID, or the token belongs to another app", "correct the Client's AppID"
	case 40125:
		what, todo = "WeChat refuses the AppSecret", "correct the Client's Secret"
	case 40164, 61004:
		what, todo = "WeChat does not accept calls from this server's address", "add the address to the IP allow-list (IP白名单) of the account"
	case 40066:
		what, todo = "WeChat does not know this path", "correct APIURL"
	case 41001, 41002, 41003, 41004, 41008, 41009, 41018:
		what, todo = "WeChat misses a parameter", "check what stands between this program and WeChat"
	case 43001, 43002, 43003:
		what, todo = "WeChat refuses the way of calling", "correct APIURL: it must be https"
	case 48001:
		what, todo = "WeChat refuses this call for this token", "ask for snsapi_userinfo instead of snsapi_base, and see that the account has the permission"
	case 48004:
		what, todo = "WeChat has taken this permission from the account", "see the notices at mp.weixin.qq.com"
	case 48017:
		what, todo = "this address of WeChat is retired", "use the host name in APIURL, not an IP address"
	case 61007, 10015:
		what, todo = "the account has not granted this to the third-party platform", "grant it"
	default:
		return meaning{}
	}
	return meaning{ErrConfiguration, what, todo}
}
