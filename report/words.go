package report

// words is what text and Markdown say, in one language.
type words struct {
	thousands string // a pattern for humanize.FormatInteger

	heading, nothing, to, from, more, earlier, localGroup string

	period, records, broken, transactions, allowed, denied, failures, clients, data, policies string

	used, service, requests, received, sent, lastSeen, sharedNote string

	troubled, unused, title, undocumented, host, port, suggest string

	denials, reason string

	classOther, classKnown, classVendor, broadCloud string
}

var english = words{
	thousands: "#,###.",

	heading: "What passed through sepproxy", nothing: "none", to: "to", from: "from", more: "%d more, with fewer requests: --format csv or json has them all",
	earlier: "%d earlier", localGroup: "Local rules and older policies",

	period: "Period (UTC)", records: "Records", broken: "Unreadable lines", transactions: "Transactions",
	allowed: "Allowed", denied: "Denied", failures: "Failed", clients: "Clients", data: "Data", policies: "Policies",

	used: "Services in use", service: "Service", requests: "Requests", received: "Received", sent: "Sent",
	lastSeen:   "Last seen",
	sharedNote: "* shares endpoints with other services; requests to them count in each.",

	troubled: "Services with failed or denied requests",
	unused:   "Documented services that nobody used", title: "Title",
	undocumented: "Undocumented endpoints", host: "Host", port: "Port",
	suggest: "To let one of them pass, put its line under allow: in policy.yaml:",

	denials: "Denied, by reason", reason: "Reason",

	classOther: "nothing is known of it", classKnown: "%s; see %s", classVendor: "%s is also the domain of the documented %s",
	broadCloud: "below %s anybody can have a name",
}

var spanish = words{
	thousands: "#.###,",

	heading: "Lo que pasó por sepproxy", nothing: "nada", to: "a", from: "de", more: "%d más, con menos solicitudes: --format csv o json los tiene todos",
	earlier: "%d anteriores", localGroup: "Reglas locales y políticas anteriores",

	period: "Periodo (UTC)", records: "Registros", broken: "Líneas ilegibles", transactions: "Transacciones",
	allowed: "Permitidas", denied: "Denegadas", failures: "Fallidas", clients: "Clientes", data: "Datos", policies: "Políticas",

	used: "Servicios en uso", service: "Servicio", requests: "Solicitudes", received: "Recibido", sent: "Enviado",
	lastSeen:   "Última vez",
	sharedNote: "* comparte puntos de conexión con otros servicios; sus solicitudes cuentan en cada uno.",

	troubled: "Servicios con solicitudes fallidas o denegadas",
	unused:   "Servicios documentados que nadie usó", title: "Título",
	undocumented: "Puntos de conexión no documentados", host: "Host", port: "Puerto",
	suggest: "Para permitir uno de ellos, ponga su línea bajo allow: en policy.yaml:",

	denials: "Denegado, por motivo", reason: "Motivo",

	classOther: "no se sabe nada de él", classKnown: "%s; véase %s", classVendor: "%s es también el dominio del documentado %s",
	broadCloud: "bajo %s cualquiera puede tener un nombre",
}

func (r *Report) words() *words { return wordsOf(r.lang) }

func wordsOf(lang string) *words {
	if lang == "es" {
		return &spanish
	}
	return &english
}
