package signin

import (
	"net/http"
	"slices"

	"github.com/weigate/weigate/login"
)

// scans says whether a browser goes to the door of our own code: it is not WeChat's, the door is there, and the app lets people in by it.
func (h *Handler) scans(r *http.Request, d Demand) bool {
	if h.cfg.Scan == nil || login.InWeChat(r) || !allows(d, DoorScan) {
		return false
	}
	way, found := h.way(d.Entry)
	if !found {
		way = h.ways[0]
	}
	return !way.entry.Website && !(way.entry.AnyBrowser && allows(d, DoorWeChat))
}

// allows says whether the app that asks lets people in by a door.
func allows(d Demand, door string) bool {
	return len(d.App.Doors) == 0 || slices.Contains(d.App.Doors, door)
}
