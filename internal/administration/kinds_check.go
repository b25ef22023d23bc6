package administration

import (
	"fmt"
	"slices"

	"github.com/weigate/weigate/internal/gateway"
)

// CheckEvents returns an error for the first event whose kind is unknown, or that differs from the
// description of its kind.
func CheckEvents(events []gateway.Event) error {
	kinds := EventKinds()
	for _, e := range events {
		i := slices.IndexFunc(kinds, func(k EventKind) bool { return k.Kind == e.Kind })
		if i < 0 {
			return fmt.Errorf("no kind %q of events", e.Kind)
		}
		if err := kinds[i].Check(e); err != nil {
			return err
		}
	}
	return nil
}

// Check returns an error for an event that differs from the description of its kind. Tests check
// the events that they cause, so that the documents are true.
func (k EventKind) Check(e gateway.Event) error {
	if !slices.Contains(k.Outcomes, e.Outcome) {
		return fmt.Errorf("event %s: outcome %q is not one of %v", e.Kind, e.Outcome, k.Outcomes)
	}
	for field, value := range map[string]string{
		"user_id": e.UserID, "actor": e.Actor, "app": e.App, "connector": e.Connector, "method": e.Method,
		"address": e.Address, "detail": e.Detail,
	} {
		if value != "" && !slices.Contains(k.Fields, field) {
			return fmt.Errorf("event %s: field %s = %q is not one of %v", e.Kind, field, value, k.Fields)
		}
	}
	return nil
}
