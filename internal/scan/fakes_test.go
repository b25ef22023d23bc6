package scan_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/weigate/weigate/internal/gateway"
	"github.com/weigate/weigate/internal/session"
)

// memory is a gateway.Tickets by the rules that the stores share. The stores themselves have a
// suite of their own.
type memory struct {
	mu      sync.Mutex
	rows    map[[32]byte]gateway.Ticket
	order   [][32]byte        // as they were put
	joined  map[string]string // younger account → older
	blocked map[string]bool
	reads   int
	asked   [][][32]byte     // what TicketStates was asked
	broken  map[string]error // by method
	hook    func(method string)
	people  *people // stores the sessions of redeemed tickets
}

func newMemory() *memory {
	return &memory{rows: map[[32]byte]gateway.Ticket{}, joined: map[string]string{}, blocked: map[string]bool{},
		broken: map[string]error{}}
}

func (m *memory) enter(method string) (leave func(), err error) {
	if m.hook != nil {
		m.hook(method)
	}
	m.mu.Lock()
	return m.mu.Unlock, m.broken[method]
}

func (m *memory) user(id string) (string, error) {
	if older, was := m.joined[id]; was {
		id = older
	}
	if m.blocked[id] {
		return "", gateway.ErrBlocked
	}
	return id, nil
}

func (m *memory) PutTicket(_ context.Context, t gateway.Ticket, now time.Time, limits gateway.TicketLimits) error {
	leave, err := m.enter("PutTicket")
	defer leave()
	if err != nil {
		return err
	}
	if err := t.Check(); err != nil {
		return err
	}
	n := 0
	for _, row := range m.rows {
		if row.State.CountsForLimit() && now.Before(row.ExpiresAt) {
			n++
		}
	}
	if _, taken := m.rows[t.Hash]; taken {
		return gateway.ErrConflict
	}
	if n >= limits.Total {
		oldest := slices.IndexFunc(m.order, func(hash [32]byte) bool {
			state := m.rows[hash].State
			return state == gateway.TicketOpen || state == gateway.TicketCancelled
		})
		if oldest < 0 {
			return gateway.ErrFull
		}
		delete(m.rows, m.order[oldest])
		m.order = slices.Delete(m.order, oldest, oldest+1)
	}
	m.rows[t.Hash] = t.Initial()
	m.order = append(m.order, t.Hash)
	return nil
}

func (m *memory) Ticket(_ context.Context, hash [32]byte, now time.Time) (gateway.Ticket, error) {
	leave, err := m.enter("Ticket")
	defer leave()
	m.reads++
	if err != nil {
		return gateway.Ticket{}, err
	}
	t, found := m.rows[hash]
	if !found {
		return gateway.Ticket{}, gateway.ErrNotFound
	}
	return t.AfterRead(now)
}

func (m *memory) TicketStates(_ context.Context, hashes [][32]byte, now time.Time) (map[[32]byte]gateway.TicketState,
	error) {
	leave, err := m.enter("TicketStates")
	defer leave()
	m.asked = append(m.asked, slices.Clone(hashes))
	if err != nil {
		return nil, err
	}
	out := map[[32]byte]gateway.TicketState{}
	for _, hash := range hashes {
		if t, found := m.rows[hash]; found && now.Before(t.ExpiresAt) {
			out[hash] = t.State
		}
	}
	return out, nil
}

func (m *memory) OpenTicket(_ context.Context, hash [32]byte, now time.Time) error {
	leave, err := m.enter("OpenTicket")
	defer leave()
	t, found := m.rows[hash]
	switch {
	case err != nil:
		return err
	case !found:
		return gateway.ErrNotFound
	}
	next, write, err := t.AfterOpen(now)
	if write {
		m.rows[hash] = next
	}
	return err
}

func (m *memory) ScanTicket(_ context.Context, hash [32]byte, h gateway.Approver, now time.Time) (gateway.Ticket,
	error) {
	leave, err := m.enter("ScanTicket")
	defer leave()
	if err == nil {
		h.UserID, err = m.user(h.UserID)
	}
	t, found := m.rows[hash]
	switch {
	case err != nil:
		return gateway.Ticket{}, err
	case !found:
		return gateway.Ticket{}, gateway.ErrNotFound
	}
	next, write, err := t.AfterScan(h, now)
	if write {
		m.rows[hash] = next
	}
	return next, err
}

func (m *memory) AnswerTicket(_ context.Context, hash [32]byte, user string, answer gateway.TicketState,
	now time.Time) (gateway.Ticket, error) {
	leave, err := m.enter("AnswerTicket")
	defer leave()
	if err != nil {
		return gateway.Ticket{}, err
	}
	t, found := m.rows[hash]
	if !found {
		return gateway.Ticket{}, gateway.ErrNotFound
	}
	if older, was := m.joined[user]; was {
		user = older
	}
	next, err := t.AfterAnswer(user, answer, now)
	if err == nil {
		m.rows[hash] = next
	}
	return next, err
}

func (m *memory) ApprovedTickets(_ context.Context, user string, now time.Time) (out []gateway.Ticket, err error) {
	leave, err := m.enter("ApprovedTickets")
	defer leave()
	for _, t := range m.rows {
		if t.State == gateway.TicketApproved && t.Approver.UserID == user && now.Before(t.ExpiresAt) {
			out = append(out, t)
		}
	}
	return out, err
}

func (m *memory) RedeemTicket(_ context.Context, r gateway.Redemption) (gateway.Ticket, error) {
	leave, err := m.enter("RedeemTicket")
	defer leave()
	if err != nil {
		return gateway.Ticket{}, err
	}
	t, found := m.rows[r.Hash]
	if !found {
		return gateway.Ticket{}, gateway.ErrNotFound
	}
	if m.blocked[t.Approver.UserID] {
		return gateway.Ticket{}, gateway.ErrBlocked
	}
	next, err := t.AfterRedeem(r.Desktop, r.Now)
	if err == nil {
		m.rows[r.Hash] = next
		r.Session.UserID, r.Event.UserID = t.Approver.UserID, t.Approver.UserID
		m.people.store(r.Session, r.Event)
	}
	return next, err
}

func (m *memory) CancelTicket(_ context.Context, hash, desktop [32]byte, now time.Time) error {
	leave, err := m.enter("CancelTicket")
	defer leave()
	if err != nil {
		return err
	}
	t, found := m.rows[hash]
	if !found {
		return gateway.ErrNotFound
	}
	next, write, err := t.AfterCancel(desktop, now)
	if write {
		m.rows[hash] = next
	}
	return err
}

// all returns the tickets there are, the oldest first.
func (m *memory) all() (out []gateway.Ticket) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, hash := range m.order {
		out = append(out, m.rows[hash])
	}
	return out
}

// people is a fake of sign-in, its sessions and its users, in a map.
type people struct {
	mu            sync.Mutex
	hook          func(method string)
	now           func() time.Time
	sessions      map[[32]byte]session.Browser
	accounts      map[string]gateway.User
	loginRequests []session.LoginRequest // that Begin was given
	events        []gateway.Event
	made          int // sessions that were stored with tickets
	asks          bool
	ended         [][32]byte
	broken        error
}

func hashOf(id string) [32]byte { return sha256.Sum256([]byte(id)) }

func idOf(seed []byte) string {
	sum := sha256.Sum256(append([]byte("id"), seed...))
	return hex.EncodeToString(sum[:])
}

func (p *people) Session(r *http.Request) (session.Browser, bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c, err := r.Cookie("session")
	if err != nil {
		return session.Browser{}, false, nil
	}
	s, found := p.sessions[hashOf(c.Value)]
	s.User = p.accounts[s.UserID]
	return s, found && s.User.Status != gateway.Blocked, p.broken
}

func (p *people) Begin(w http.ResponseWriter, _ *http.Request, d session.LoginRequest) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.loginRequests = append(p.loginRequests, d)
	w.Header().Set("Location", "https://open.weixin.qq.com/connect/oauth2/authorize")
	w.WriteHeader(http.StatusFound)
	return nil
}

// AskAgreement redirects as package signin does.
func (*people) AskAgreement(w http.ResponseWriter, _ *http.Request, b session.Browser, returnTo string) bool {
	if !b.MustAgree {
		return false
	}
	w.Header().Set("Location", session.AgreementPath+"?return="+returnTo)
	w.WriteHeader(http.StatusSeeOther)
	return true
}

func (p *people) AskProfile(w http.ResponseWriter, _ *http.Request, s session.Browser, returnTo string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.asks || s.User.Nickname != "" {
		return false
	}
	w.Header().Set("Location", "/sign-in/profile?return="+returnTo)
	w.WriteHeader(http.StatusSeeOther)
	return true
}

func (p *people) SessionHash(seed []byte) ([32]byte, error) { return hashOf(idOf(seed)), nil }

func (p *people) NewSession(a session.Authentication) (gateway.Session, gateway.Event, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return gateway.Session{Hash: hashOf(idOf(a.Seed)), Connector: a.Connector, AppID: a.AppID, OpenID: a.OpenID,
			Method: a.Method, AuthTime: a.AuthTime, CreatedAt: p.now(),
			Data: session.Data{LoginRequestID: a.LoginRequestID, Scan: a.Scan}.Bytes()},
		gateway.Event{Kind: "sign_in", Method: a.Method, App: a.App}, p.broken
}

// store stores a session and an event, as the transaction of RedeemTicket does.
func (p *people) store(s gateway.Session, e gateway.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.made++
	p.events = append(p.events, e)
	p.sessions[s.Hash] = session.Browser{Session: s, LoginRequestID: session.ReadData(s.Data).LoginRequestID}
}

func (p *people) ResumeSession(_ *http.Request, a session.Authentication) (*http.Cookie, error) {
	if p.hook != nil {
		p.hook("ResumeSession")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.broken != nil {
		return nil, p.broken
	}
	id := idOf(a.Seed)
	if _, lives := p.sessions[hashOf(id)]; !lives {
		return nil, gateway.ErrNotFound
	}
	return &http.Cookie{Name: "session", Value: id, Path: "/"}, nil
}

func (p *people) End(w http.ResponseWriter, r *http.Request) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c, err := r.Cookie("session"); err == nil {
		delete(p.sessions, hashOf(c.Value))
		http.SetCookie(w, &http.Cookie{Name: "session", Path: "/", MaxAge: -1})
	}
	return nil
}

func (p *people) User(_ context.Context, id string) (gateway.User, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	a, found := p.accounts[id]
	if !found {
		return a, gateway.ErrNotFound
	}
	return a, nil
}

func (p *people) AppendEvents(_ context.Context, events ...gateway.Event) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.events = append(p.events, events...)
	return nil
}

// ender is scan.Sessions.
type ender struct{ p *people }

func (e ender) UserSessions(_ context.Context, user string, _ time.Time) (out []gateway.Session, err error) {
	e.p.mu.Lock()
	defer e.p.mu.Unlock()
	for _, s := range e.p.sessions {
		if s.UserID == user {
			out = append(out, s.Session)
		}
	}
	return out, nil
}

func (e ender) Find(_ context.Context, hash [32]byte, _ time.Time) (gateway.Session, gateway.User, error) {
	e.p.mu.Lock()
	defer e.p.mu.Unlock()
	s, found := e.p.sessions[hash]
	if !found {
		return gateway.Session{}, gateway.User{}, gateway.ErrNotFound
	}
	return s.Session, e.p.accounts[s.UserID], nil
}

func (e ender) End(_ context.Context, hash [32]byte, _ time.Time) error {
	e.p.mu.Lock()
	defer e.p.mu.Unlock()
	delete(e.p.sessions, hash)
	e.p.ended = append(e.p.ended, hash)
	return nil
}

var errStore = errors.Join(errors.New("dial tcp 10.0.0.1"), gateway.ErrUnavailable)
