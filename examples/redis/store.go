// Package redisstore is a login.Store in Redis or Valkey. It is an example to copy: a file without
// dependencies other than github.com/redis/go-redis/v9. It passes login/storetest.
//
// Each session is a hash, and so is each attempt: the record of one sign-in callback, by which a
// repeated callback is recognized. For each user, a sorted set has the ids of the user's sessions,
// ordered by their expiry. Every key expires, so nothing has to be swept. All keys contain the hash
// tag "{login}", so a cluster keeps them in one slot: a script may use only keys of one slot. Times
// are microseconds since 1970.
//
// Configure the server with "appendonly yes" so that sessions survive its restart, and with
// "maxmemory-policy noeviction" so that it does not drop sessions when its memory is full.
package redisstore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/weigate/weigate/login"
)

// Store is a login.Store. It is safe for concurrent use.
type Store struct{ client redis.UniversalClient }

var _ login.Store = (*Store)(nil)

// New returns a Store in the server or cluster of client.
func New(client redis.UniversalClient) *Store { return &Store{client: client} }

func attemptKey(id string) string { return "{login}:attempt:" + id }
func sessionKey(id string) string { return "{login}:session:" + id }

// userKey returns the key of the sorted set with a user's sessions. It contains a hash of the
// subject, because a subject may contain any characters.
func userKey(subject string) string {
	sum := sha256.Sum256([]byte(subject))
	return "{login}:user:" + hex.EncodeToString(sum[:])
}

// micros returns the stored form of a time: microseconds since 1970, and 0 for the zero time.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func fromMicros(text string) time.Time {
	n, _ := strconv.ParseInt(text, 10, 64) // only this package writes it
	if n == 0 {
		return time.Time{}
	}
	return time.UnixMicro(n).UTC()
}

// life returns the lifetime of a key in milliseconds. The key lives a second longer than its
// content is valid. Scripts compare the stored time with now, so the expiry of the key only frees
// memory.
func life(until, now time.Time) int64 { return max(until.Sub(now).Milliseconds(), 0) + 1000 }

// fail wraps an error of the client. If the server cannot be reached, or cannot serve at the
// moment, the error wraps login.ErrUnavailable too. Users then see a page that asks them to try
// again.
func fail(op string, err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("redisstore: %s: %w", op, err)
	}
	var answer redis.Error
	if errors.As(err, &answer) && !slices.ContainsFunc(
		[]string{"LOADING", "READONLY", "CLUSTERDOWN", "MASTERDOWN", "TRYAGAIN", "OOM", "BUSY", "NOREPLICAS"},
		func(prefix string) bool { return strings.HasPrefix(answer.Error(), prefix) },
	) {
		return fmt.Errorf("redisstore: %s: %w", op, err)
	}
	return fmt.Errorf("redisstore: %s: %w: %w", op, login.ErrUnavailable, err)
}

// run executes a script. A script is atomic.
func (s *Store) run(ctx context.Context, script *redis.Script, keys []string, arguments ...any) ([]string, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return script.Run(ctx, s.client, keys, arguments...).StringSlice()
}

// beginAttempt stores an attempt and returns nothing. If it may not replace a stored attempt with
// the same id, it returns the fields of the stored attempt instead. It may replace an attempt that
// has expired. It may also replace an attempt whose code WeChat refused, if the new code differs
// and the time "second" has not passed: WeChat sometimes sends two codes for one state.
var beginAttempt = redis.NewScript(`
local code, owner, lease, expires, second, now, life = unpack(ARGV)
local a = redis.call('HMGET', KEYS[1], 'code', 'owner', 'lease', 'expires', 'second', 'outcome', 'at', 'text')
if a[1] and tonumber(a[4]) > tonumber(now) then
	if a[6] ~= 'code_refused' or a[1] == code or tonumber(a[5]) <= tonumber(now) then
		return a
	end
	second = '0' -- a third code may not replace the second code
end
redis.call('HSET', KEYS[1], 'code', code, 'owner', owner, 'lease', lease, 'expires', expires, 'second', second,
	'outcome', '', 'at', '0', 'text', '')
redis.call('PEXPIRE', KEYS[1], life)
return {}`)

// BeginAttempt implements login.Store.
func (s *Store) BeginAttempt(
	ctx context.Context, want login.Attempt, now time.Time,
) (stored login.Attempt, begun bool, err error) {
	a, err := s.run(ctx, beginAttempt, []string{attemptKey(want.ID)}, want.Code, want.Owner, micros(want.Lease),
		micros(want.Expires), micros(want.SecondCodeUntil), micros(now), life(want.Expires, now))
	switch {
	case err != nil:
		return login.Attempt{}, false, fail("begin an attempt", err)
	case len(a) == 0:
		return want, true, nil
	}
	return login.Attempt{
		ID: want.ID, Code: a[0], Owner: a[1], Lease: fromMicros(a[2]), Expires: fromMicros(a[3]),
		SecondCodeUntil: fromMicros(a[4]),
		Outcome:         login.Outcome{Kind: login.OutcomeKind(a[5]), At: fromMicros(a[6]), Text: a[7]},
	}, false, nil
}

// finishAttempt writes the outcome of an attempt. It writes nothing if the attempt has another
// owner, has an outcome already, or has expired. An attempt that ended without a session is kept
// for two minutes at most: everyone can cause such attempts with made-up codes.
var finishAttempt = redis.NewScript(`
local owner, outcome, at, text, now = unpack(ARGV)
local a = redis.call('HMGET', KEYS[1], 'owner', 'outcome', 'lease', 'expires')
if a[1] ~= owner or a[2] ~= '' or tonumber(a[3]) <= tonumber(now) or tonumber(a[4]) <= tonumber(now) then
	return {}
end
redis.call('HSET', KEYS[1], 'outcome', outcome, 'at', at, 'text', text)
if outcome ~= 'signed_in' and redis.call('PTTL', KEYS[1]) > 120000 then
	redis.call('PEXPIRE', KEYS[1], 120000)
end
return {'written'}`)

// FinishAttempt implements login.Store.
func (s *Store) FinishAttempt(ctx context.Context, id, owner string, out login.Outcome, now time.Time) error {
	written, err := s.run(ctx, finishAttempt, []string{attemptKey(id)}, owner, string(out.Kind), micros(out.At), out.Text,
		micros(now))
	switch {
	case err != nil:
		return fail("finish an attempt", err)
	case len(written) == 0:
		return login.ErrAttemptLost
	}
	return nil
}

// createSession stores a session, and adds its id to the sorted set of the user. It removes expired
// sessions from the sorted set. If a session with this id exists, it changes nothing and returns
// nothing.
var createSession = redis.NewScript(`
local id, data, expires, declined, now, life = unpack(ARGV)
local old = redis.call('HGET', KEYS[1], 'expires')
if old and tonumber(old) > tonumber(now) then
	return {}
end
redis.call('HSET', KEYS[1], 'data', data, 'expires', expires, 'declined', declined, 'user', KEYS[2])
redis.call('PEXPIRE', KEYS[1], life)
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
redis.call('ZADD', KEYS[2], expires, id)
if redis.call('PTTL', KEYS[2]) < tonumber(life) then
	redis.call('PEXPIRE', KEYS[2], life)
end
return {'created'}`)

// CreateSession implements login.Store.
func (s *Store) CreateSession(ctx context.Context, id string, created login.Session, now time.Time) error {
	data, err := json.Marshal(created)
	if err != nil {
		return fmt.Errorf("redisstore: create a session: %w", err)
	}
	done, err := s.run(ctx, createSession, []string{sessionKey(id), userKey(created.Subject)}, id, string(data),
		micros(created.ExpiresAt), created.ProfileDeclined, micros(now), life(created.ExpiresAt, now))
	switch {
	case err != nil:
		return fail("create a session", err)
	case len(done) == 0:
		return login.ErrSessionExists
	}
	return nil
}

// parse returns the session in values that HMGET has read, in the order of fields. user is the key
// of the user's sorted set. A missing or expired session is login.ErrNoSession.
func parse(id string, fields []any, now time.Time) (s login.Session, user string, err error) {
	texts := make([]string, len(fields))
	for i, field := range fields {
		texts[i], _ = field.(string) // nil is a missing field
	}
	expires := fromMicros(texts[1])
	if !expires.After(now) {
		return login.Session{}, "", login.ErrNoSession
	}
	if err := json.Unmarshal([]byte(texts[0]), &s); err != nil {
		return login.Session{}, "", err
	}
	s.ID, s.ExpiresAt, s.ProfileDeclined = id, expires, texts[2] == "1"
	return s, texts[3], nil
}

// fields are the fields of a session's hash.
var fields = []string{"data", "expires", "declined", "user"}

// Session implements login.Store.
func (s *Store) Session(ctx context.Context, id string, now time.Time) (*login.Session, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	read, err := s.client.HMGet(ctx, sessionKey(id), fields...).Result()
	if err != nil {
		return nil, fail("read a session", err)
	}
	session, _, err := parse(id, read, now)
	if err != nil {
		return nil, err
	}
	return &session, nil
}

// userOf returns the key of the sorted set that contains a session. It returns "" if there is no
// session.
func (s *Store) userOf(ctx context.Context, id string) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	user, err := s.client.HGet(ctx, sessionKey(id), "user").Result()
	if errors.Is(err, redis.Nil) {
		return "", nil
	}
	return user, err
}

// updateSession changes a session. It does not create a missing session: a sign-out may have just
// deleted it.
var updateSession = redis.NewScript(`
local id, expires, declined, now, life = unpack(ARGV)
local s = redis.call('HMGET', KEYS[1], 'expires', 'user')
if not s[1] or tonumber(s[1]) <= tonumber(now) or s[2] ~= KEYS[2] then
	return {}
end
if declined == '1' then
	redis.call('HSET', KEYS[1], 'declined', '1')
end
if tonumber(expires) > tonumber(s[1]) then
	redis.call('HSET', KEYS[1], 'expires', expires)
	redis.call('ZADD', KEYS[2], expires, id) -- a process whose clock is ahead may have removed it
	redis.call('PEXPIRE', KEYS[1], life)
	if redis.call('PTTL', KEYS[2]) < tonumber(life) then
		redis.call('PEXPIRE', KEYS[2], life)
	end
end
return {'updated'}`)

// UpdateSession implements login.Store.
func (s *Store) UpdateSession(ctx context.Context, id string, u login.SessionUpdate, now time.Time) error {
	user, err := s.userOf(ctx, id)
	switch {
	case err != nil:
		return fail("update a session", err)
	case user == "":
		return login.ErrNoSession
	}
	done, err := s.run(ctx, updateSession, []string{sessionKey(id), user}, id, micros(u.ExpiresAt), u.ProfileDeclined,
		micros(now), life(u.ExpiresAt, now))
	switch {
	case err != nil:
		return fail("update a session", err)
	case len(done) == 0:
		return login.ErrNoSession
	}
	return nil
}

// deleteSession deletes a session if it belongs to the user, and removes its id from the sorted set
// of the user.
var deleteSession = redis.NewScript(`
if redis.call('HGET', KEYS[1], 'user') == KEYS[2] then
	redis.call('DEL', KEYS[1])
end
redis.call('ZREM', KEYS[2], ARGV[1])
return {}`)

// DeleteSession implements login.Store.
func (s *Store) DeleteSession(ctx context.Context, id string) error {
	user, err := s.userOf(ctx, id)
	if err == nil && user != "" {
		_, err = s.run(ctx, deleteSession, []string{sessionKey(id), user}, id)
	}
	if err != nil {
		return fail("delete a session", err)
	}
	return nil
}

// ids returns the ids in the sorted set of a user.
func (s *Store) ids(ctx context.Context, user string) ([]string, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return s.client.ZRange(ctx, user, 0, -1).Result()
}

// SessionsOf implements login.Store.
func (s *Store) SessionsOf(ctx context.Context, subject string, limit int, now time.Time) ([]login.Session, error) {
	user := userKey(subject)
	ids, err := s.ids(ctx, user)
	if err != nil {
		return nil, fail("list the sessions of a user", err)
	}
	reads := make([]*redis.SliceCmd, len(ids))
	_, err = s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, id := range ids {
			reads[i] = p.HMGet(ctx, sessionKey(id), fields...)
		}
		return nil
	})
	if err != nil {
		return nil, fail("list the sessions of a user", err)
	}
	var all []login.Session
	for i, id := range ids {
		session, owner, err := parse(id, reads[i].Val(), now)
		switch {
		case errors.Is(err, login.ErrNoSession) || err == nil && owner != user:
			// The session has expired. Its id may belong to a new session of another user.
		case err != nil:
			return nil, fail("list the sessions of a user", err)
		default:
			all = append(all, session)
		}
	}
	slices.SortFunc(all, func(a, b login.Session) int { return b.SignedInAt.Compare(a.SignedInAt) })
	return all[:min(len(all), limit)], nil
}

// DeleteSessionsOf implements login.Store.
func (s *Store) DeleteSessionsOf(ctx context.Context, subject, except string) error {
	user := userKey(subject)
	ids, err := s.ids(ctx, user)
	for _, id := range ids {
		if err == nil && id != except {
			_, err = s.run(ctx, deleteSession, []string{sessionKey(id), user}, id)
		}
	}
	if err != nil {
		return fail("delete the sessions of a user", err)
	}
	return nil
}
