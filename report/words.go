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

	methods, serverNames, ended string

	chain, intact, damaged, breaks, resembles, class string

	multiTenant, multiTenantNote, clientsTitle, client, network, unlisted, moreClients string

	suggestHead, suggestPeriod, suggestNothing, suggestDoubtful, suggestReason, suggestSeen, suggestResembles, suggestBroad string

	closeHead, closeReason, closeUnknown string
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
	suggest: "To let one of them pass, put its line under allow: in policy.yaml (--suggest has the evidence for each):",

	denials: "Denied, by reason", reason: "Reason",

	classOther: "nothing is known of it", classKnown: "%s; see %s", classVendor: "%s is also the domain of the documented %s",
	broadCloud: "below %s anybody can have a name",

	methods: "Methods", serverNames: "Server names in TLS", ended: "Ended",

	chain: "Audit chain", intact: "whole, %s records", damaged: "DAMAGED, %s problems: see sepproxy audit verify",
	breaks: "Denied, %s: %s", resembles: "%s resembles the documented %s", class: "Class",

	multiTenant: "Hosts that others than the vendor share", multiTenantNote: "Inside TLS nothing tells whose data passes: this is where data would leave.",
	clientsTitle: "Clients", client: "Client", network: "Entry", unlisted: "Undocumented", moreClients: "%d more: --format json has them all",

	suggestHead: `What the audit trail suggests for policy.yaml. Nothing of it is in force: read it, take what you want.
Where policy.yaml has the key already, put the lines below that one. Then: sepproxy check`,
	suggestPeriod:    "From %s to %s (UTC). Transactions: %s. Clients: %s.",
	suggestNothing:   "Nothing was tried that an allow rule would let pass.",
	suggestDoubtful:  "Not known to belong to Endpoint Protection, or broader than they look. Find out who asks, and why, before you remove a # here.",
	suggestReason:    "undocumented, last seen %s",
	suggestSeen:      "%s requests, %s allowed, %s denied, from %s to %s; sent %s, received %s",
	suggestResembles: "It resembles the documented %s",
	suggestBroad:     "BROAD: a rule lets more pass than this name: %s",

	closeHead:    "What nobody used in this period. Somebody may next month: remove a # only if you know that nobody needs it.",
	closeReason:  "nobody used it from %s to %s",
	closeUnknown: "The vendor does not say what stops working without it. It is for:",
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
	suggest: "Para permitir uno de ellos, ponga su línea bajo allow: en policy.yaml (--suggest da los motivos de cada uno):",

	denials: "Denegado, por motivo", reason: "Motivo",

	classOther: "no se sabe nada de él", classKnown: "%s; véase %s", classVendor: "%s es también el dominio del documentado %s",
	broadCloud: "bajo %s cualquiera puede tener un nombre",

	methods: "Métodos", serverNames: "Nombres de servidor en TLS", ended: "Fin",

	chain: "Cadena", intact: "íntegra, %s registros", damaged: "DAÑADA, %s problemas: véase sepproxy audit verify",
	breaks: "Denegado, %s: %s", resembles: "%s se parece al documentado %s", class: "Clase",

	multiTenant: "Hosts que otros comparten con el fabricante", multiTenantNote: "Dentro de TLS nada dice de quién son los datos: por aquí saldrían.",
	clientsTitle: "Clientes", client: "Cliente", network: "Entrada", unlisted: "No documentado", moreClients: "%d más: --format json los tiene todos",

	suggestHead: `Lo que el registro de auditoría sugiere para policy.yaml. Nada de esto está en vigor: léalo y tome lo que quiera.
Si policy.yaml ya tiene la clave, ponga las líneas debajo de ella. Después: sepproxy check`,
	suggestPeriod:    "Del %s al %s (UTC). Transacciones: %s. Clientes: %s.",
	suggestNothing:   "No se intentó nada que una regla allow dejara pasar.",
	suggestDoubtful:  "No consta que sean de Endpoint Protection, o abarcan más de lo que parece. Averigüe quién pregunta y por qué antes de quitar un #.",
	suggestReason:    "no documentado, visto por última vez %s",
	suggestSeen:      "%s solicitudes, %s permitidas, %s denegadas, del %s al %s; enviado %s, recibido %s",
	suggestResembles: "Se parece al documentado %s",
	suggestBroad:     "AMPLIO: una regla deja pasar más que este nombre: %s",

	closeHead:    "Lo que nadie usó en este periodo. Alguien puede usarlo el mes que viene: quite un # solo si sabe que nadie lo necesita.",
	closeReason:  "nadie lo usó del %s al %s",
	closeUnknown: "El fabricante no dice qué deja de funcionar sin él. Sirve para:",
}

func (r *Report) words() *words { return wordsOf(r.lang) }

func wordsOf(lang string) *words {
	if lang == "es" {
		return &spanish
	}
	return &english
}
