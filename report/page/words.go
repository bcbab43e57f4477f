package page

// words are the texts of the pages in one language. A %s or %d stands for what the code puts in.
type words struct {
	Lang, Thousands, Decimal string

	Heading, ReportLead, Period, To, None, Made, UTC, Footer string
	UsedOf, Nothing, More                                    string

	Requests, Allowed, Denied, Failed, Clients, Received, Sent, Data, Share             string
	ServicesUsed, OfDocumented, UndocumentedHosts, OfRequests, AllAllowed, TrailIntact  string
	TrailBroken, TrailMissing, TrailFine, TrailNote, Files, Records, Sequence, Problems string

	Traffic, TrafficLead, TrafficBytes, TrafficDesc, BytesDesc, AsTable, Time, PolicyChange, PolicyMark string
	Heat, HeatLead, HeatDesc, Service, Day, Less, MoreKey, PerDay                                       string
	Used, UsedLead, LastSeen, LocalGroup, SharesWith, Breaks                                            string
	Unused, UnusedLead                                                                                  string
	Undocumented, UndocumentedLead, Host, Suggest, AskedBy, Resembles, Broad, Ends                      string
	ClassVendor, ClassPKI, ClassPlatform, ClassOther                                                    string
	DeniedHeading, DeniedLead, Reason, Hosts                                                            string
	FailedHeading, FailedLead                                                                           string
	Tenants, TenantsLead, Who                                                                           string
	ClientsHeading, ClientsLead, Client, UndocumentedShort                                              string
	Events, EventsLead                                                                                  string
	Trail                                                                                               string

	LiveHeading, LiveLead, Updating, Lost, Plain, Ready, NotReady, Reading, Missed                    string
	Mode, ModeEnforce, ModeObserve, Until, Revision, LoadedAt, From, Rejected, RejectedSince, Running string
	Tunnels, Connections, Throughput, ThroughTunnels, PerSecond                                       string
	Policy, Written, Unwritten, DiskFree, LastSequence, Since                                         string
	Filter, FilterClient, FilterService, FilterHost, Apply, Clear, Filtered                           string
	Latest, LatestLead, OtherLanguage                                                                 string

	Reasons map[string]string // what each reason code means
	Kinds   map[string]string // what each lifecycle event is
}

func wordsOf(lang string) *words {
	if lang == spanish.Lang {
		return &spanish
	}
	return &english
}
