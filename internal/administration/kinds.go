package administration

import "github.com/weigate/weigate/internal/gateway"

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

// EventKind is a kind of events.
type EventKind struct {
	Kind     string
	Category EventCategory
	Meaning  string // in English, for the command line and documents
}

// EventKinds returns all kinds of events that the gateway appends, by category. A test compares the
// list with the constants of all packages and with the documents.
func EventKinds() []EventKind {
	const signIn, user, admin = CategorySignIn, CategoryUser, CategoryAdmin
	const security, system = CategorySecurity, CategorySystem
	return []EventKind{
		{"sign_in", signIn, "a user signed in, or was refused because they are blocked"},
		{"sign_out_everywhere", signIn, "a user ended all their sessions"},
		{"sign_out_browser", signIn, "a user ended the session of one of their browsers"},
		{"sign_out_others", signIn, "a user ended all their sessions but one"},
		{"app_sign_out", signIn, "a user signed out at the request of an app"},
		{"host_sign_out", signIn, "a user signed out of a site with forward auth"},

		{"chat_unfollowed", user, "a user stopped following an account; nickname and avatar were deleted"},
		{"wechat_authorization_revoked", user, "a user withdrew their consent at WeChat; nickname and avatar were deleted"},
		{"wechat_account_closed", user, "a user closed their WeChat account; nickname, avatar and sessions were deleted"},
		{"wechat_profile_changed", user, "a user changed their profile at WeChat; the old nickname and avatar were deleted"},
		{gateway.EventUserCreated, user, "first sign-in of a user"},
		{gateway.EventIdentityAdded, user, "first sign-in of a known user at another connector, found by unionid"},
		{gateway.EventUsersJoined, user, "two users with one unionid were joined"},
		{gateway.EventJoinConflict, user, "two users with one unionid were not joined, because both have an openid at " +
			"one appid; or one of two imported ids was dropped"},
		{gateway.EventUnionIDChanged, user, "WeChat sent another unionid than the stored one"},
		{gateway.EventSubjectDropped, user, "joined users had two ids in one app, and the later id was dropped"},

		{"access_requested", user, "a user waits for approval, or asked for access to an app"},
		{"name_given", user, "a user who waits for approval gave a name"},
		{"access_withdrawn", user, "a user revoked what they had granted an app"},
		{"data_downloaded", user, "a user downloaded their data"},
		{"account_deleted", user, "a user deleted their own account"},

		{EventUserApproved, admin, "a user was approved, for all apps or for some"},
		{EventUserRefused, admin, "a user was refused, for all waiting requests or for some apps"},
		{EventUserBlocked, admin, "a user was blocked, and all sessions and tokens ended"},
		{EventUserUnblocked, admin, "a user was unblocked, and needs approval again"},
		{EventUserEdited, admin, "name, note, groups or apps of a user were changed"},
		{EventUserSignedOut, admin, "all sessions and tokens of a user were ended"},
		{EventSessionEnded, admin, "one session of a user was ended"},
		{EventAdminGranted, admin, "a user became an administrator"},
		{EventAdminRevoked, admin, "a user is not an administrator any more"},
		{EventIdentityUnlinked, admin, "an identity was removed from a user"},
		{EventUsersMerged, admin, "two users were merged into one"},
		{EventUserDeleted, admin, "a user was deleted"},
		{EventInvitationCreated, admin, "an invitation was created"},
		{EventInvitationRevoked, admin, "an invitation was revoked"},
		{"invitation_used", user, "a user accepted an invitation"},
		{EventAPIKeyCreated, admin, "an API key was created"},
		{EventAPIKeyRevoked, admin, "an API key was revoked"},
		{EventDeliveryRetried, admin, "a failed delivery was queued again"},
		{EventNoticeTested, admin, "a test message was queued"},
		{EventExported, admin, "users or events were exported"},

		{"admin_link", security, "an administrator signed in by a link, without WeChat"},
		{gateway.EventInvitationRefused, security, "a blocked or refused user tried to use an invitation; nothing changed"},
		{"scan_refused", security, "the user declined a sign-in by QR code on the phone"},
		{"scan_wrong_number", security, "the number typed on the phone differs from the number on the desktop"},
		{"scan_undone", security, "\"this was not me\": a session that a phone had confirmed was ended"},
		{"chat_refused", security, "a person declined a sign-in in the chat of an account"},
		{"chat_wrong_code", security, "the code typed on the desktop differs from the code that the account answered"},
		{"chat_undone", security, "\"this was not me\": a session that was made in a chat was ended"},
		{"code_replayed", security, "an authorization code was redeemed twice, and its grant was revoked"},
		{"refresh_replayed", security, "an old refresh token was used, and its grant was revoked"},

		{"logout_not_delivered", system, "an app was not told that a session has ended, after three attempts or because it " +
			"refused the logout token"},
		{"key_rotated", system, "a signing key was created by the command line"},
	}
}
