package administration

import (
	"slices"
	"strings"

	"github.com/weigate/weigate/internal/gateway"
)

// Kinds of the events that the service appends. Event.Actor is who caused them.
const (
	EventUserApproved      = "user_approved"
	EventUserRefused       = "user_refused"
	EventUserBlocked       = "user_blocked"
	EventUserUnblocked     = "user_unblocked"
	EventUserEdited        = "user_edited"
	EventUserSignedOut     = "user_signed_out"
	EventSessionEnded      = "session_ended"
	EventAdminGranted      = "admin_granted"
	EventAdminRevoked      = "admin_revoked"
	EventIdentityUnlinked  = "identity_unlinked"
	EventUsersMerged       = "users_merged"
	EventUserDeleted       = "user_deleted"
	EventInvitationCreated = "invitation_created"
	EventInvitationRevoked = "invitation_revoked"
	EventAPIKeyCreated     = "api_key_created"
	EventAPIKeyRevoked     = "api_key_revoked"
	EventDeliveryRetried   = "delivery_retried"
	EventNoticeTested      = "notice_tested"
	EventExported          = "exported"
	EventURLAccepted       = "url_accepted"
)

// EventCategory groups kinds of events.
type EventCategory string

// The categories of events.
const (
	CategorySignIn   EventCategory = "sign_in"  // users sign in and out: many events
	CategoryUser     EventCategory = "user"     // users and identities are created or joined
	CategoryAdmin    EventCategory = "admin"    // an administrator changed something
	CategorySecurity EventCategory = "security" // an attack or an accident was stopped
	CategorySystem   EventCategory = "system"   // keys, deliveries
)

// EventKind is a kind of events. Every event has a time, a kind and an outcome. It has a request id
// if a request caused it.
type EventKind struct {
	Kind     string
	Category EventCategory
	Outcomes []string // the possible values of Event.Outcome
	Fields   []string // further fields that an event can have, by their names in an export
	Meaning  string   // in English, for the command line and documents
}

// newKind returns a kind of this category. outcomes and fields are words with spaces between them.
func (c EventCategory) newKind(kind, outcomes, fields, meaning string) EventKind {
	return EventKind{
		Kind: kind, Category: c, Outcomes: strings.Fields(outcomes), Fields: strings.Fields(fields), Meaning: meaning,
	}
}

// EventKinds returns all kinds of events that the gateway appends, by category. A test compares the
// list with the constants of all packages, and another with the documents.
func EventKinds() []EventKind {
	return slices.Concat(signInKinds(), userKinds(), adminKinds(), securityKinds(), systemKinds())
}

func signInKinds() []EventKind {
	const c = CategorySignIn
	return []EventKind{
		c.newKind("sign_in", "ok refused", "user_id app connector method detail",
			"a user signed in, or was refused because they are blocked"),
		c.newKind("sign_out_everywhere", "ok", "user_id connector method address",
			"a user ended all their sessions"),
		c.newKind("sign_out_browser", "ok", "user_id app connector method address detail",
			"a user ended the session of one of their browsers"),
		c.newKind("sign_out_others", "ok", "user_id app connector method address detail",
			"a user ended all their sessions but one"),
		c.newKind("app_sign_out", "ok", "user_id app connector method",
			"a user signed out at the request of an app"),
		c.newKind("host_sign_out", "ok", "user_id app connector",
			"a user signed out of a site with forward auth"),
	}
}

func userKinds() []EventKind {
	const c = CategoryUser
	return []EventKind{
		c.newKind(gateway.EventUserCreated, "ok", "user_id connector detail",
			"first sign-in of a user"),
		c.newKind(gateway.EventIdentityAdded, "ok", "user_id connector detail",
			"first sign-in of a known user at another connector, found by unionid"),
		c.newKind(gateway.EventUsersJoined, "ok refused", "user_id connector detail",
			"two users with one unionid were joined; refused: administrator rights or groups of the younger user "+
				"were not transferred"),
		c.newKind(gateway.EventJoinConflict, "refused kept", "user_id connector detail",
			"refused: two users with one unionid were not joined, because both have an openid at one appid; "+
				"kept: one of two imported ids was dropped"),
		c.newKind(gateway.EventUnionIDChanged, "refused", "user_id connector detail",
			"WeChat sent another unionid than the stored one, which stays"),
		c.newKind(gateway.EventSubjectDropped, "ok", "user_id app connector detail",
			"joined users had two ids in one app, and the later id was dropped"),
		c.newKind(gateway.EventAgreed, "ok", "user_id connector method detail",
			"a user agreed to the documents of `site.agreement`; the detail has their version and hash"),
		c.newKind("access_requested", "waiting", "user_id app method",
			"a user waits for approval, or asked for access to an app"),
		c.newKind("name_given", "ok", "user_id app method",
			"a user gave a name: while waiting for approval, or for apps"),
		c.newKind("invitation_used", "ok", "user_id method address detail",
			"a user accepted an invitation"),
		c.newKind("access_withdrawn", "ok", "user_id app connector method address",
			"a user revoked what they had granted an app"),
		c.newKind("data_downloaded", "ok", "user_id connector method address",
			"a user downloaded their data"),
		c.newKind("account_deleted", "ok", "user_id connector method",
			"a user deleted their own account"),
		c.newKind("chat_unfollowed", "ok", "user_id connector",
			"a user stopped following an account; nickname and avatar from WeChat were deleted"),
		c.newKind("wechat_authorization_revoked", "ok", "user_id connector",
			"a user withdrew their consent at WeChat; nickname and avatar were deleted"),
		c.newKind("wechat_account_closed", "ok", "user_id connector",
			"a user closed their WeChat account; nickname, avatar and sessions were deleted"),
		c.newKind("wechat_profile_changed", "ok", "user_id connector",
			"a user changed their profile at WeChat; the old nickname and avatar were deleted"),
	}
}

func adminKinds() []EventKind {
	const c = CategoryAdmin
	return []EventKind{
		c.newKind(EventUserApproved, "ok", "user_id actor app address detail",
			"a user was approved, for all apps or for some"),
		c.newKind(EventUserRefused, "ok", "user_id actor app address detail",
			"a user was refused, for all waiting requests or for some apps"),
		c.newKind(EventUserBlocked, "ok", "user_id actor address detail",
			"a user was blocked, and all sessions and tokens ended"),
		c.newKind(EventUserUnblocked, "ok", "user_id actor address detail",
			"a user was unblocked, and needs approval again"),
		c.newKind(EventUserEdited, "ok", "user_id actor address detail",
			"name, note, groups or apps of a user were changed"),
		c.newKind(EventUserSignedOut, "ok", "user_id actor address detail",
			"all sessions and tokens of a user were ended"),
		c.newKind(EventSessionEnded, "ok", "user_id actor address detail",
			"one session of a user was ended"),
		c.newKind(EventAdminGranted, "ok", "user_id actor address detail",
			"a user became an administrator"),
		c.newKind(EventAdminRevoked, "ok", "user_id actor address detail",
			"a user is not an administrator any more"),
		c.newKind(EventIdentityUnlinked, "ok", "user_id actor connector address detail",
			"an identity was removed from a user"),
		c.newKind(EventUsersMerged, "ok", "user_id actor address detail",
			"two users were merged into one"),
		c.newKind(EventUserDeleted, "ok", "user_id actor",
			"a user was deleted"),
		c.newKind(EventInvitationCreated, "ok", "user_id actor address detail",
			"an invitation was created"),
		c.newKind(EventInvitationRevoked, "ok", "actor address detail",
			"an invitation was revoked"),
		c.newKind(EventAPIKeyCreated, "ok", "actor address detail",
			"an API key was created"),
		c.newKind(EventAPIKeyRevoked, "ok", "actor address detail",
			"an API key was revoked"),
		c.newKind(EventDeliveryRetried, "queued", "actor address detail",
			"a failed delivery was queued again"),
		c.newKind(EventNoticeTested, "queued", "actor address detail",
			"a test message was queued"),
		c.newKind(EventExported, "ok", "actor address detail",
			"users or events were exported"),
	}
}

func securityKinds() []EventKind {
	const c = CategorySecurity
	return []EventKind{
		c.newKind("admin_link", "ok", "user_id method address detail",
			"an administrator signed in by a link, without WeChat"),
		c.newKind(gateway.EventInvitationRefused, "refused", "user_id method address detail",
			"a blocked or refused user tried to use an invitation; nothing changed"),
		c.newKind("scan_refused", "refused", "user_id app connector method detail",
			"the user declined a sign-in by QR code on the phone"),
		c.newKind("scan_wrong_number", "refused", "user_id app connector method detail",
			"the number typed on the phone differs from the number on the desktop"),
		c.newKind("scan_undone", "ok", "user_id app connector method detail",
			"\"this was not me\": a session that a phone had confirmed was ended"),
		c.newKind("chat_refused", "refused", "connector",
			"a person declined a sign-in in the chat of an account"),
		c.newKind("chat_wrong_code", "refused", "app connector method detail",
			"the code typed on the desktop differs from the code that the account answered"),
		c.newKind("chat_undone", "ok", "user_id app connector method",
			"\"this was not me\": a session that was made in a chat was ended"),
		c.newKind("code_replayed", "revoked", "user_id app detail",
			"an authorization code was redeemed twice, and its grant was revoked"),
		c.newKind("refresh_replayed", "revoked", "user_id app detail",
			"an old refresh token was used, and its grant was revoked"),
	}
}

func systemKinds() []EventKind {
	const c = CategorySystem
	return []EventKind{
		c.newKind("logout_not_delivered", "failed", "user_id app detail",
			"an app was not told that a session has ended, after three attempts or because it refused the logout "+
				"token"),
		c.newKind("key_rotated", "ok", "actor detail",
			"a signing key was created by the command line"),
		c.newKind(EventURLAccepted, "ok", "actor detail",
			"another address of the gateway was accepted by the command line"),
	}
}
