package sqlstore

import (
	"github.com/weigate/weigate/internal/gateway"
)

// This file joins users. Exec changes rows, and Get reads one row.

// joinInto joins the younger user into the older: subjects, identities, grants, requests and other
// rows move, sessions end, and the younger id resolves to the older. Nothing personal stays in the
// younger row. The caller has locked both rows.
func (b Base) joinInto(q Querier, s gateway.SignIn, older, younger string) ([]gateway.Event, error) {
	events, err := joinPins(q, s, older, younger)
	if err != nil {
		return nil, err
	}
	if _, err := b.endSessions(q, s.At, `user_id = $1`, younger); err != nil {
		return nil, err
	}
	if err := deleteSearch(q, younger); err != nil {
		return nil, err
	}
	// A link that moves the younger user would then move the older user, perhaps an administrator.
	if err := revokeMoves(q, younger, s.At); err != nil {
		return nil, err
	}
	// Conditions such as approver_id <> '' repeat the condition of a partial index. The database uses
	// this index only for statements that contain its condition. Each statement receives both ids, so
	// each statement has to mention both. If both users have an access request for one app, the older
	// user's request stays, unless only the younger user's is decided. If both have used one
	// invitation, the older user's use stays.
	for _, query := range []string{
		`UPDATE identities SET user_id = $1, user_seq = (SELECT seq FROM users WHERE id = $1) WHERE user_id = $2`,
		`UPDATE grants SET user_id = $1 WHERE user_id = $2`,
		`UPDATE tickets SET approver_id = $1 WHERE approver_id = $2 AND approver_id <> ''`,
		`UPDATE app_sessions SET user_id = $1 WHERE user_id = $2`,
		`UPDATE deliveries SET user_id = $1 WHERE user_id = $2 AND user_id <> ''`,
		`DELETE FROM access_requests WHERE user_id = $1 AND state = 'waiting' AND app IN
			(SELECT app FROM access_requests WHERE user_id = $2 AND state <> 'waiting')`,
		`DELETE FROM access_requests WHERE user_id = $2 AND app IN (SELECT app FROM access_requests WHERE user_id = $1)`,
		`UPDATE access_requests SET user_id = $1 WHERE user_id = $2`,
		`UPDATE invitations SET user_id = $1 WHERE user_id = $2 AND user_id <> ''`,
		`DELETE FROM invitation_uses WHERE user_id = $2 AND invitation_id IN
			(SELECT invitation_id FROM invitation_uses WHERE user_id = $1)`,
		`UPDATE invitation_uses SET user_id = $1 WHERE user_id = $2`,
		`UPDATE users SET joined_into = $1 WHERE joined_into = $2 AND joined_into <> ''`,
		`UPDATE users SET joined_into = $1, old_id = '', admin = false, nickname = '', avatar_url = '', real_name = '',
			note = '', groups = '[]', allowed_apps = '[]', refused_apps = '[]', agreement = '' WHERE id = $2`,
	} {
		if _, err := q.Exec(query, older, younger); err != nil {
			return nil, err
		}
	}
	return events, nil
}

// joinPins keeps one subject (the user's id in an app) of two users for each app, as
// gateway.JoinPins decides. It moves subjects of the younger user that stay to the older user, and
// deletes the rest.
func joinPins(q Querier, s gateway.SignIn, older, younger string) ([]gateway.Event, error) {
	olderPins, err := readPins(q, older)
	if err != nil {
		return nil, err
	}
	youngerPins, err := readPins(q, younger)
	if err != nil {
		return nil, err
	}
	moved, dropped, events := gateway.JoinPins(s, olderPins, youngerPins)
	for _, p := range dropped {
		if _, err := q.Exec(`DELETE FROM subjects WHERE user_id = $1 AND app = $2`, p.UserID, p.App); err != nil {
			return nil, err
		}
		// The dropped subject no longer belongs to a user. The app still has tokens with this
		// subject, so the grants are revoked.
		_, err := q.Exec(`UPDATE grants SET revoked_at = $3 WHERE user_id = $1 AND app = $2 AND revoked_at = 0`, p.UserID,
			p.App, Micros(s.At))
		if err != nil {
			return nil, err
		}
	}
	for _, p := range moved {
		if _, err := q.Exec(`UPDATE subjects SET user_id = $1 WHERE user_id = $2 AND app = $3`, older, younger,
			p.App); err != nil {
			return nil, err
		}
	}
	return events, nil
}
