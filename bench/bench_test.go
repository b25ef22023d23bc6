package bench_test

import (
	"context"
	"net/http"
	"testing"
	"time"
)

const code = "061eY9xX08tQu02IH4wX05BjxX0eY9xA"

var wires = []struct {
	name string
	open func(testing.TB) *http.Client
}{
	{"tls", overTLS},
	{"memory", inMemory},
}

// BenchmarkSignIn measures one exchange and one call for the profile. With
// wire=tls the server runs in the same process, so its time and its allocations are
// the same for every client; with wire=memory there is no server.
//
// limit=caller sets a deadline for the sign-in, as a handler should that calls another
// server: two of the three clients have no timeout of their own. limit=none sets none;
// only Weigate's client has a timeout then.
func BenchmarkSignIn(b *testing.B) {
	for _, wire := range wires {
		for _, limit := range []string{"caller", "none"} {
			for _, client := range clients {
				b.Run("wire="+wire.name+"/limit="+limit+"/client="+client.name, func(b *testing.B) {
					in := client.over(wire.open(b))
					once := func() {
						ctx := b.Context()
						if limit == "caller" {
							var cancel context.CancelFunc
							ctx, cancel = context.WithTimeout(ctx, 5*time.Second)
							defer cancel()
						}
						if _, err := in(ctx, code); err != nil {
							b.Fatal(err)
						}
					}
					once() // opens the connection
					b.ReportAllocs()
					for b.Loop() {
						once()
					}
				})
			}
		}
	}
}

// A client that returned wrong data could be fast, so the data is checked.
func TestClientsReturnTheSameUser(t *testing.T) {
	want := person{OpenID: openID, UnionID: unionID, Nickname: nickname, Avatar: avatar}
	for _, wire := range wires {
		for _, client := range clients {
			t.Run(wire.name+"/"+client.name, func(t *testing.T) {
				got, err := client.over(wire.open(t))(t.Context(), code)
				if err != nil {
					t.Fatal(err)
				}
				if got != want {
					t.Errorf("got %+v, want %+v", got, want)
				}
			})
		}
	}
}
