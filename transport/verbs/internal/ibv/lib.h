// What Go calls: libibverbs behind pointers, and a few calls that do in one
// crossing what would be several. Every call that can fail returns 0 or a
// positive errno, taken before anything else can change it.
#ifndef SCP_RDMA_IBV_LIB_H
#define SCP_RDMA_IBV_LIB_H

#include <infiniband/verbs.h>

// The header replaces some functions by macros or inlines that call the real
// one by name, which would tie this program to the library at link time. Here
// a name stands for the function itself, and only for its type.
#undef ibv_get_device_list
#undef ibv_query_port
#undef ibv_reg_mr

// Every function that is used, with the version that the library first had it
// in today's form (libibverbs.map.in of rdma-core).
#define LIB_FUNCTIONS(F) \
	F(get_device_list, "IBVERBS_1.1") \
	F(free_device_list, "IBVERBS_1.1") \
	F(open_device, "IBVERBS_1.1") \
	F(close_device, "IBVERBS_1.1") \
	F(get_async_event, "IBVERBS_1.1") \
	F(ack_async_event, "IBVERBS_1.1") \
	F(query_device, "IBVERBS_1.1") \
	F(query_port, "IBVERBS_1.1") \
	F(query_gid, "IBVERBS_1.1") \
	F(alloc_pd, "IBVERBS_1.1") \
	F(dealloc_pd, "IBVERBS_1.1") \
	F(reg_mr, "IBVERBS_1.1") \
	F(dereg_mr, "IBVERBS_1.1") \
	F(create_comp_channel, "IBVERBS_1.0") \
	F(destroy_comp_channel, "IBVERBS_1.0") \
	F(create_cq, "IBVERBS_1.1") \
	F(destroy_cq, "IBVERBS_1.1") \
	F(get_cq_event, "IBVERBS_1.1") \
	F(ack_cq_events, "IBVERBS_1.1") \
	F(create_qp, "IBVERBS_1.1") \
	F(modify_qp, "IBVERBS_1.1") \
	F(query_qp, "IBVERBS_1.1") \
	F(destroy_qp, "IBVERBS_1.1")

// lib is the opened library. It is never closed: its providers have threads'
// and fork's handlers in the process.
struct lib {
#define F(name, version) __typeof__(ibv_##name) *name;
	LIB_FUNCTIONS(F)
#undef F
	__typeof__(ibv_reg_mr_iova2) *reg_mr_iova2; // since rdma-core 28, else NULL
	__typeof__(_ibv_query_gid_table) *query_gid_table; // since rdma-core 32, else NULL
};

// lib_send and lib_recv are work requests of one SGE without pointers, so that
// a chain can lie in Go's memory.
struct lib_send {
	uint64_t wr_id, addr, remote_addr;
	uint32_t length, lkey, rkey, opcode, flags, imm;
};
struct lib_recv {
	uint64_t wr_id, addr;
	uint32_t length, lkey;
};

// lib_event is an asynchronous event, acknowledged already.
struct lib_event {
	uint32_t type, qpn, port;
};

// lib_open opens the library of that file name; NULL: why is said in text.
struct lib *lib_open(const char *file, char *text, size_t size);

// lib_positive makes a positive errno of what a call returned and of errno.
int lib_positive(int rc, int err);

// Thin calls.
int lib_devices(struct lib *l, struct ibv_device ***list, int *n);
void lib_free_devices(struct lib *l, struct ibv_device **list);
int lib_open_device(struct lib *l, struct ibv_device *d, struct ibv_context **c);
int lib_close_device(struct lib *l, struct ibv_context *c);
int lib_query_device(struct lib *l, struct ibv_context *c, struct ibv_device_attr *a);
int lib_query_port(struct lib *l, struct ibv_context *c, uint8_t port, struct ibv_port_attr *a);
int lib_query_gid(struct lib *l, struct ibv_context *c, uint8_t port, int index, union ibv_gid *gid);
int lib_alloc_pd(struct lib *l, struct ibv_context *c, struct ibv_pd **pd);
int lib_dealloc_pd(struct lib *l, struct ibv_pd *pd);
int lib_reg_mr(struct lib *l, struct ibv_pd *pd, void *p, size_t n, unsigned int access, struct ibv_mr **mr);
int lib_dereg_mr(struct lib *l, struct ibv_mr *mr);
int lib_create_cq(struct lib *l, struct ibv_context *c, int cqe, struct ibv_comp_channel *ch, struct ibv_cq **cq);
int lib_destroy_cq(struct lib *l, struct ibv_cq *cq);
int lib_create_channel(struct lib *l, struct ibv_context *c, struct ibv_comp_channel **ch);
int lib_destroy_channel(struct lib *l, struct ibv_comp_channel *ch);
int lib_create_qp(struct lib *l, struct ibv_pd *pd, struct ibv_cq *cq, struct ibv_qp_cap *cap, struct ibv_qp **qp);
int lib_modify_qp(struct lib *l, struct ibv_qp *qp, struct ibv_qp_attr *a, int mask);
int lib_query_qp(struct lib *l, struct ibv_qp *qp, struct ibv_qp_attr *a, int mask);
int lib_destroy_qp(struct lib *l, struct ibv_qp *qp);

// lib_query_gids fills at most max entries, *n of them; ENOSYS in a library
// that is too old.
int lib_query_gids(struct lib *l, struct ibv_context *c, struct ibv_gid_entry *e, size_t max, size_t *n);

// lib_post_send and lib_post_recv post a chain in one call of the provider per
// LIB_CHAIN requests; *posted is how many were taken.
#define LIB_CHAIN 64
int lib_post_send(struct ibv_qp *qp, const struct lib_send *w, int n, int *posted);
int lib_post_recv(struct ibv_qp *qp, const struct lib_recv *w, int n, int *posted);

// lib_poll takes at most n completions, *got of them.
int lib_poll(struct ibv_cq *cq, int n, struct ibv_wc *wc, int *got);
int lib_arm(struct ibv_cq *cq);

// lib_cq_event takes one event from a channel, EAGAIN if there is none.
int lib_cq_event(struct lib *l, struct ibv_comp_channel *ch);
void lib_ack_cq(struct lib *l, struct ibv_cq *cq, unsigned int n);

// lib_async takes one event and acknowledges it, EAGAIN if there is none.
int lib_async(struct lib *l, struct ibv_context *c, struct lib_event *e);

#endif
