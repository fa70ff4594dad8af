package incident

// MaxAffected is how many different values each list of what alerts affect holds at
// most.
const MaxAffected = 100
