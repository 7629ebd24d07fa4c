//go:build cgo && !noverbs && linux && (amd64 || arm64)

#define _GNU_SOURCE
#include "cm.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// What the library's binary interface promises on 64 bits (rdma/rdma_cma.h).
_Static_assert(offsetof(struct cm_param, srq) == 14 && offsetof(struct cm_param, qp_num) == 16 && sizeof(struct cm_param) == 24, "rdma_conn_param");
_Static_assert(offsetof(struct cm_event, event) == 16 && offsetof(struct cm_event, conn) == 24, "rdma_cm_event");

enum {
	PORT_SPACE_TCP = 0x0106, // RDMA_PS_TCP: reliable, connected
	OPTION_ID = 0,		 // RDMA_OPTION_ID
	OPTION_REUSE = 1,	 // RDMA_OPTION_ID_REUSEADDR
	READS = 1,		 // RDMA READ is not used; 0 is refused by some devices
};

struct cm_lib *lib_cm_open(const char *file, char *text, size_t size)
{
	struct cm_lib *l = calloc(1, sizeof(*l));
	void *so;

	if (!l) {
		snprintf(text, size, "out of memory");
		return NULL;
	}
	so = dlopen(file, RTLD_NOW | RTLD_LOCAL);
	if (!so) {
		snprintf(text, size, "%s", dlerror());
		free(l);
		return NULL;
	}
#define F(result, name, version, arguments) \
	l->name = (result (*) arguments)dlvsym(so, "rdma_" #name, version); \
	if (!l->name) { \
		snprintf(text, size, "%s has no rdma_" #name " of version " version, file); \
		dlclose(so); \
		free(l); \
		return NULL; \
	}
	CM_FUNCTIONS(F)
#undef F
	return l;
}

static int positive(int rc) { return lib_positive(rc, errno); }

#define CALL(expression) (errno = 0, positive(expression))

int lib_cm_channel(struct cm_lib *l, struct cm_channel **ch)
{
	errno = 0;
	*ch = l->create_event_channel();
	if (*ch)
		return 0;
	return errno ? errno : EIO;
}

void lib_cm_close_channel(struct cm_lib *l, struct cm_channel *ch) { l->destroy_event_channel(ch); }
int lib_cm_destroy(struct cm_lib *l, struct cm_id *id) { return CALL(l->destroy_id(id)); }
int lib_cm_resolve_route(struct cm_lib *l, struct cm_id *id, int ms) { return CALL(l->resolve_route(id, ms)); }
int lib_cm_reject(struct cm_lib *l, struct cm_id *id) { return CALL(l->reject(id, NULL, 0)); }
int lib_cm_migrate(struct cm_lib *l, struct cm_id *id, struct cm_channel *ch) { return CALL(l->migrate_id(id, ch)); }
int lib_cm_establish(struct cm_lib *l, struct cm_id *id) { return CALL(l->establish(id)); }

int lib_cm_attr(struct cm_lib *l, struct cm_id *id, int state, struct ibv_qp_attr *a, int *mask)
{
	memset(a, 0, sizeof(*a));
	a->qp_state = state;
	*mask = 0;
	return CALL(l->init_qp_attr(id, a, mask));
}

// with makes an id and does the first thing with it; if that fails there is none.
#define WITH(l, ch, id, call) \
	int err = CALL((l)->create_id(ch, id, NULL, PORT_SPACE_TCP)); \
	if (err) \
		return err; \
	err = (call); \
	if (err) \
		(l)->destroy_id(*(id)); \
	return err

static int listens(struct cm_lib *l, struct cm_id *id, const void *addr, int backlog, int *port)
{
	int on = 1, err;

	(void)l->set_option(id, OPTION_ID, OPTION_REUSE, &on, sizeof(on)); // else a port is busy for a while after its use
	err = CALL(l->bind_addr(id, (struct sockaddr *)addr));
	if (!err)
		err = CALL(l->listen(id, backlog));
	if (!err)
		*port = ntohs(l->get_src_port(id));
	return err;
}

int lib_cm_listen(struct cm_lib *l, struct cm_channel *ch, const void *addr, int backlog, struct cm_id **id, int *port)
{
	WITH(l, ch, id, listens(l, *id, addr, backlog, port));
}

int lib_cm_resolve(struct cm_lib *l, struct cm_channel *ch, const void *from, const void *to, int ms, struct cm_id **id)
{
	WITH(l, ch, id, CALL(l->resolve_addr(*id, (struct sockaddr *)from, (struct sockaddr *)to, ms)));
}

int lib_cm_connect(struct cm_lib *l, struct cm_id *id, const void *data, int length, uint32_t qpn, int retries, int rnr)
{
	struct cm_param p = {
		.private_data = data, .private_data_len = (uint8_t)length, .responder_resources = READS, .initiator_depth = READS,
		.retry_count = (uint8_t)retries, .rnr_retry_count = (uint8_t)rnr, .qp_num = qpn,
	};

	return CALL(l->connect(id, &p));
}

int lib_cm_accept(struct cm_lib *l, struct cm_id *id, uint32_t qpn, int retries, int rnr)
{
	struct cm_param p = {
		.responder_resources = READS, .initiator_depth = READS,
		.retry_count = (uint8_t)retries, .rnr_retry_count = (uint8_t)rnr, .qp_num = qpn,
	};

	return CALL(l->accept(id, &p));
}

int lib_cm_next(struct cm_lib *l, struct cm_channel *ch, struct lib_cm_event *e)
{
	struct cm_event *ev;
	int err = CALL(l->get_cm_event(ch, &ev));

	memset(e, 0, sizeof(*e));
	if (err)
		return err;
	e->id = ev->id;
	e->type = ev->event;
	e->status = ev->status;
	if (ev->event == CM_CONNECT_REQUEST && ev->conn.private_data) {
		e->length = ev->conn.private_data_len < LIB_CM_PRIVATE ? ev->conn.private_data_len : LIB_CM_PRIVATE;
		memcpy(e->private, ev->conn.private_data, (size_t)e->length);
	}
	(void)l->ack_cm_event(ev); // fails for NULL only
	return 0;
}
