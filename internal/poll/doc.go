// Package poll is the engine that polls incidents and delivers their changes.
package poll // import "github.com/seed2514a141/defenderincidentsreceiver/internal/poll"
