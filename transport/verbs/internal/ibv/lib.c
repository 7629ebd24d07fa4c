//go:build cgo && !noverbs && linux && (amd64 || arm64)

#define _GNU_SOURCE
#include "lib.h"

#include <dlfcn.h>
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// The layouts that the library's binary interface promises on 64 bits: a header
// of another mind must not compile.
_Static_assert(sizeof(void *) == 8, "verbs needs a 64 bit machine");
_Static_assert(sizeof(struct ibv_sge) == 16, "ibv_sge");
_Static_assert(sizeof(struct ibv_recv_wr) == 32, "ibv_recv_wr");
_Static_assert(sizeof(struct ibv_send_wr) == 128, "ibv_send_wr");
_Static_assert(sizeof(struct ibv_wc) == 48, "ibv_wc");
_Static_assert(sizeof(struct ibv_qp_cap) == 20, "ibv_qp_cap");
_Static_assert(sizeof(struct ibv_gid_entry) == 32, "ibv_gid_entry");
_Static_assert(sizeof(struct lib_send) == 48 && sizeof(struct lib_recv) == 24, "no hidden padding");

struct lib *lib_open(const char *file, char *text, size_t size)
{
	struct lib *l = calloc(1, sizeof(*l));
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
#define F(name, version) \
	l->name = (__typeof__(l->name))dlvsym(so, "ibv_" #name, version); \
	if (!l->name) { \
		snprintf(text, size, "%s has no ibv_" #name " of version " version, file); \
		dlclose(so); \
		free(l); \
		return NULL; \
	}
	LIB_FUNCTIONS(F)
#undef F
	l->reg_mr_iova2 = (__typeof__(l->reg_mr_iova2))dlvsym(so, "ibv_reg_mr_iova2", "IBVERBS_1.8");
	l->query_gid_table = (__typeof__(l->query_gid_table))dlvsym(so, "_ibv_query_gid_table", "IBVERBS_1.11");
	return l;
}

// lib_positive makes an errno of what a call returned. Calls return errno (most),
// -errno (posts to siw), or -1 and set errno; a failure never becomes success.
int lib_positive(int rc, int err)
{
	if (rc == -1 && err)
		return err;
	return rc < 0 ? -rc : rc;
}

// made is for calls that return a pointer and set errno.
static int made(const void *p)
{
	if (p)
		return 0;
	return errno ? errno : EIO;
}

static int positive(int rc) { return lib_positive(rc, errno); }

#define CALL(expression) (errno = 0, positive(expression))
#define MAKE(p, expression) (errno = 0, made(*(p) = (expression)))

int lib_devices(struct lib *l, struct ibv_device ***list, int *n) { return MAKE(list, l->get_device_list(n)); }
void lib_free_devices(struct lib *l, struct ibv_device **list) { l->free_device_list(list); }
int lib_open_device(struct lib *l, struct ibv_device *d, struct ibv_context **c) { return MAKE(c, l->open_device(d)); }
int lib_close_device(struct lib *l, struct ibv_context *c) { return CALL(l->close_device(c)); }
int lib_query_device(struct lib *l, struct ibv_context *c, struct ibv_device_attr *a) { return CALL(l->query_device(c, a)); }
int lib_query_gid(struct lib *l, struct ibv_context *c, uint8_t port, int index, union ibv_gid *gid) { return CALL(l->query_gid(c, port, index, gid)); }
int lib_alloc_pd(struct lib *l, struct ibv_context *c, struct ibv_pd **pd) { return MAKE(pd, l->alloc_pd(c)); }
int lib_dealloc_pd(struct lib *l, struct ibv_pd *pd) { return CALL(l->dealloc_pd(pd)); }
int lib_dereg_mr(struct lib *l, struct ibv_mr *mr) { return CALL(l->dereg_mr(mr)); }
int lib_create_cq(struct lib *l, struct ibv_context *c, int cqe, struct ibv_comp_channel *ch, struct ibv_cq **cq) { return MAKE(cq, l->create_cq(c, cqe, NULL, ch, 0)); }
int lib_destroy_cq(struct lib *l, struct ibv_cq *cq) { return CALL(l->destroy_cq(cq)); }
int lib_create_channel(struct lib *l, struct ibv_context *c, struct ibv_comp_channel **ch) { return MAKE(ch, l->create_comp_channel(c)); }
int lib_destroy_channel(struct lib *l, struct ibv_comp_channel *ch) { return CALL(l->destroy_comp_channel(ch)); }
int lib_modify_qp(struct lib *l, struct ibv_qp *qp, struct ibv_qp_attr *a, int mask) { return CALL(l->modify_qp(qp, a, mask)); }
int lib_destroy_qp(struct lib *l, struct ibv_qp *qp) { return CALL(l->destroy_qp(qp)); }

// As the header's macro does: flags that may be left out are for another function,
// which knows whether the kernel has them (rdma-core 28), and for no other.
int lib_reg_mr(struct lib *l, struct ibv_pd *pd, void *p, size_t n, unsigned int access, struct ibv_mr **mr)
{
	if ((access & IBV_ACCESS_OPTIONAL_RANGE) && l->reg_mr_iova2)
		return MAKE(mr, l->reg_mr_iova2(pd, p, n, (uintptr_t)p, access));
	return MAKE(mr, l->reg_mr(pd, p, n, (int)(access & ~(unsigned int)IBV_ACCESS_OPTIONAL_RANGE)));
}

// As the header's inline does: the provider's own function knows the whole
// structure, the library's only what old programs had.
int lib_query_port(struct lib *l, struct ibv_context *c, uint8_t port, struct ibv_port_attr *a)
{
	struct verbs_context *v = verbs_get_ctx_op(c, query_port);

	memset(a, 0, sizeof(*a));
	if (v)
		return CALL(v->query_port(c, port, a, sizeof(*a)));
	return CALL(l->query_port(c, port, (struct _compat_ibv_port_attr *)a));
}

int lib_query_gids(struct lib *l, struct ibv_context *c, struct ibv_gid_entry *e, size_t max, size_t *n)
{
	ssize_t rc;

	if (!l->query_gid_table)
		return ENOSYS;
	errno = 0;
	rc = l->query_gid_table(c, e, max, 0, sizeof(*e));
	if (rc < 0)
		return positive((int)rc);
	*n = (size_t)rc;
	return 0;
}

int lib_create_qp(struct lib *l, struct ibv_pd *pd, struct ibv_cq *cq, struct ibv_qp_cap *cap, struct ibv_qp **qp)
{
	struct ibv_qp_init_attr a = { .send_cq = cq, .recv_cq = cq, .cap = *cap, .qp_type = IBV_QPT_RC };
	int err = MAKE(qp, l->create_qp(pd, &a));

	*cap = a.cap; // what was granted
	return err;
}

int lib_query_qp(struct lib *l, struct ibv_qp *qp, struct ibv_qp_attr *a, int mask)
{
	struct ibv_qp_init_attr unused;

	return CALL(l->query_qp(qp, a, mask, &unused));
}

// taken is how many requests of a chain lie before the one that was refused.
// Some providers leave bad alone when they fail before the first.
static int taken(uintptr_t first, uintptr_t bad, size_t size, int n)
{
	if (bad < first || bad >= first + size * (size_t)n)
		return 0;
	return (int)((bad - first) / size);
}

int lib_post_send(struct ibv_qp *qp, const struct lib_send *w, int n, int *posted)
{
	struct ibv_send_wr wr[LIB_CHAIN], *bad;
	struct ibv_sge sge[LIB_CHAIN];
	int i, k, err;

	for (*posted = 0; *posted < n; *posted += k) {
		k = n - *posted < LIB_CHAIN ? n - *posted : LIB_CHAIN;
		memset(wr, 0, sizeof(wr[0]) * (size_t)k);
		for (i = 0; i < k; i++, w++) {
			sge[i] = (struct ibv_sge){ .addr = w->addr, .length = w->length, .lkey = w->lkey };
			wr[i].wr_id = w->wr_id;
			wr[i].next = i + 1 < k ? &wr[i + 1] : NULL;
			wr[i].sg_list = &sge[i];
			wr[i].num_sge = w->length ? 1 : 0; // a length of 0 in an SGE means 2^31 to some devices
			wr[i].opcode = w->opcode;
			wr[i].send_flags = w->flags;
			wr[i].imm_data = htobe32(w->imm);
			wr[i].wr.rdma.remote_addr = w->remote_addr;
			wr[i].wr.rdma.rkey = w->rkey;
		}
		bad = NULL;
		err = CALL(ibv_post_send(qp, wr, &bad));
		if (err) {
			*posted += taken((uintptr_t)wr, (uintptr_t)bad, sizeof(wr[0]), k);
			return err;
		}
	}
	return 0;
}

int lib_post_recv(struct ibv_qp *qp, const struct lib_recv *w, int n, int *posted)
{
	struct ibv_recv_wr wr[LIB_CHAIN], *bad;
	struct ibv_sge sge[LIB_CHAIN];
	int i, k, err;

	for (*posted = 0; *posted < n; *posted += k) {
		k = n - *posted < LIB_CHAIN ? n - *posted : LIB_CHAIN;
		for (i = 0; i < k; i++, w++) {
			sge[i] = (struct ibv_sge){ .addr = w->addr, .length = w->length, .lkey = w->lkey };
			wr[i] = (struct ibv_recv_wr){ .wr_id = w->wr_id, .sg_list = &sge[i], .num_sge = w->length ? 1 : 0 };
			wr[i].next = i + 1 < k ? &wr[i + 1] : NULL;
		}
		bad = NULL;
		err = CALL(ibv_post_recv(qp, wr, &bad));
		if (err) {
			*posted += taken((uintptr_t)wr, (uintptr_t)bad, sizeof(wr[0]), k);
			return err;
		}
	}
	return 0;
}

int lib_poll(struct ibv_cq *cq, int n, struct ibv_wc *wc, int *got)
{
	int rc;

	errno = 0;
	rc = ibv_poll_cq(cq, n, wc);
	*got = rc > 0 ? rc : 0;
	return rc < 0 ? positive(rc) : 0;
}

int lib_arm(struct ibv_cq *cq) { return CALL(ibv_req_notify_cq(cq, 0)); }

int lib_cq_event(struct lib *l, struct ibv_comp_channel *ch)
{
	struct ibv_cq *cq;
	void *context;

	return CALL(l->get_cq_event(ch, &cq, &context));
}

void lib_ack_cq(struct lib *l, struct ibv_cq *cq, unsigned int n) { l->ack_cq_events(cq, n); }

int lib_async(struct lib *l, struct ibv_context *c, struct lib_event *e)
{
	struct ibv_async_event ev;
	int err = CALL(l->get_async_event(c, &ev));

	if (err)
		return err;
	memset(e, 0, sizeof(*e));
	e->type = ev.event_type;
	switch (ev.event_type) {
	case IBV_EVENT_QP_FATAL:
	case IBV_EVENT_QP_REQ_ERR:
	case IBV_EVENT_QP_ACCESS_ERR:
	case IBV_EVENT_COMM_EST:
	case IBV_EVENT_SQ_DRAINED:
	case IBV_EVENT_PATH_MIG:
	case IBV_EVENT_PATH_MIG_ERR:
	case IBV_EVENT_QP_LAST_WQE_REACHED:
		e->qpn = ev.element.qp->qp_num;
		break;
	case IBV_EVENT_PORT_ACTIVE:
	case IBV_EVENT_PORT_ERR:
	case IBV_EVENT_LID_CHANGE:
	case IBV_EVENT_PKEY_CHANGE:
	case IBV_EVENT_GID_CHANGE:
	case IBV_EVENT_SM_CHANGE:
	case IBV_EVENT_CLIENT_REREGISTER:
		e->port = (uint32_t)ev.element.port_num;
		break;
	default: // of a CQ, an SRQ, a WQ or the whole device
		break;
	}
	l->ack_async_event(&ev);
	return 0;
}
