"""The names of events: what an operator, a SIEM and an auditor will search for.

Below each name stands when it is told, what its detail fields mean (all are text), and what whoever reads it should do.
`docs/events.md` is made from this.
"""

DEVICE_FOUND = "device.found"
"""A device was seen on a segment for the first time.

maker: Who built it, as in the list of makers; empty while nobody knows.
model: Its model, as far as it says.
interface: The gateway's interface on which it was seen.
confidence: How sure the maker is, 0 to 100.

Do: Nothing, if somebody installed it. Otherwise find out what it is: until policy knows it, it is held as strictly
as policy holds strangers.
"""
DEVICE_CHANGED = "device.changed"
"""Something that identifies a device, or where it is, is otherwise than before.

field: What changed: maker, brand, kind, model, firmware, serial, addresses, macs, vulnerabilities, …
before: As it was.
after: As it is.

Do: Look twice at a changed serial number, maker or MAC: somebody may have swapped the unit. New vulnerabilities mean
that an advisory came that concerns it; plan an update.
"""
DEVICE_LOST = "device.lost"
"""A device has not been seen for so long that it counts as gone. What holds it stays in force for its addresses.

last_seen: When it was seen last, Unix seconds.
took_leave: `yes` if it announced that it was going, as one does that is shut down; `no` if it fell silent.

Do: Ask whether it was taken down. If not, look at its power and its switch port.
"""
DEVICE_RETURNED = "device.returned"
"""A device that counted as lost is there again. All that was known of it still holds.

last_seen: When it was seen last before, Unix seconds.

Do: Nothing, if its absence is explained. Compare what follows: a unit that was away may come back with other firmware.
"""
DEVICE_MOVED = "device.moved"
"""A device was seen on another interface of the gateway, so on another segment or VLAN.

before: The interface before.
after: The interface now.

Do: Ask who moved it. Its segment decides what strangers may do, and its zone what policy demands.
"""
DEVICE_RESET = "device.reset"
"""A device that had a password says that it has none: somebody reset it to its factory settings.

firmware: What it runs.

Do: Find out who. Until it is set up again, anybody on its segment can; give it a new credential when it is.
"""
DEVICE_SWAPPED = "device.swapped"
"""A new device stands in the place of one that is gone: it has its address, or its MAC with another serial number.

instead_of: The device that is gone.
shared: The addresses and MACs that both had.
before: Maker and model of the one that is gone.
after: Maker and model of the new one.

Do: Nothing, if a unit was replaced; tags, waivers and credentials of the old one do not count for the new one.
Otherwise somebody has put something in a camera's place: isolate it, and look at the spot.
"""
DEPLOYMENT_FORBIDDEN = "deployment.forbidden"
"""Equipment of a maker that a law or list names was seen on a sensitive site, where none may be deployed any more.

maker: Who built it, whatever its badge.
model: Its model, as far as it says.
named_by: The laws and lists that name its maker.
confidence: How sure the maker is, 0 to 100.
interface: The gateway's interface on which it is.

Do: Stop the deployment: have it unplugged, and find out who ordered it. Policy holds it meanwhile. It is told
once the catalogue lists the site: one that it does not list is held as a sensitive one, and nothing is said of it.
"""
CATALOGUE_ACCEPTED = "catalogue.accepted"
"""The gateway verified a new catalogue and goes by it from now on, but for policy that waits (`policy.waits`).

versions: The version of each role, as in `policy=4 firmware=2`.

Do: Nothing. A site that does not tell of it within minutes of a publication is away, or refused it.
"""
CATALOGUE_REFUSED = "catalogue.refused"
"""A catalogue arrived that the gateway does not believe. It keeps enforcing the one before.

code: What is wrong, for programs: bad-signature, stale, expired, malformed or too-new.
reason: The same in words.
unrecorded_before: How many refusals were left out since the last one told, if any: 20 an hour are told.

Do: Treat it as an attack until you know better: somebody may have the broker or the controller. Compare the
controller's `bartizan status` with what was last signed. `stale` after a restored backup is explained in the
operating guide, and `too-new` means that this gateway's agent has to be upgraded.
"""
CATALOGUE_EXPIRED = "catalogue.expired"
"""The gateway's catalogue is past its expiry. It goes on being enforced; no firmware is installed.

since: When it expired, Unix seconds.

Do: Find out why nothing newer arrived: is the gateway connected, and does the controller still renew its timestamp?
If policy or firmware themselves expired, two approvers must sign them again.
"""
POLICY_WAITS = "policy.waits"
"""The catalogue just accepted goes out in stages and this gateway is not of the first: it goes by the policy it had.

policy: The version of the policy role that waits.
in_force: The one that stays in force meanwhile.
until: When it waits no longer, whatever is said or not said until then; Unix seconds.

Do: Nothing. `bartizan push list` says what it waits for.
"""
POLICY_ACTIVATED = "policy.activated"
"""Policy that had waited for its turn is in force.

policy: The version of the policy role.
because: `activated` by an order, or `deadline`: the time until which it may wait is over.

Do: Nothing if an order said so. After `deadline`, ask why no order came: the push was stopped, or the gateway is away.
"""
POSTURE_DIFFERS = "posture.differs"
"""What a gateway read back from its kernel is otherwise than the controller expects. Told by the controller.

differences: Which devices, how they are held and how they should be; or why nothing could be compared.

Do: Look at `bartizan posture list` and at the gateway. Do not believe it where it says itself that it agrees: its agent
may be an old one, or in somebody else's hands.
"""
POSTURE_AGREES = "posture.agrees"
"""What a gateway read back is as the controller expects again. Told by the controller.

since: Since when it had been otherwise, Unix seconds.

Do: Nothing.
"""
PUSH_STOPPED = "push.stopped"
"""A push of policy stopped by itself: sites of a stage read back something else than expected. Told by the controller.

policy: The version of the policy role that goes out.
reason: Which sites differ, and how.
until: When it is in force everywhere all the same; Unix seconds.

Do: Look at `bartizan push show`. If the gateway is wrong, mend it and resume; if the text is, publish the former text
before that time.
"""
ORDERS_ACCEPTED = "orders.accepted"
"""The gateway verified a book of orders and carries it out.

scope: `estate` or `site`.
generation: The book's number, which only rises.

Do: Nothing.
"""
ORDERS_REFUSED = "orders.refused"
"""A book of orders arrived that the gateway does not believe. It keeps to the one before.

code: What is wrong, for programs.
reason: The same in words.
unrecorded_before: How many refusals were left out since the last one told, if any.

Do: As for catalogue.refused.
"""
MESSAGE_REFUSED = "message.refused"
"""A message could not be used. Told by the gateway of what it hears, and by the controller of what a gateway says; by
the gateway, too, of what it would say itself and may not, because it is too large (`too-large`).

topic: Where it was said; empty where it was cut off before that was known.
code: What is wrong, for programs.
reason: The same in words.
unrecorded_before: How many the gateway left out since the last one told, if any.
untold_before: How many the controller left out since the last one told, if any.

Do: One after an upgrade is of no consequence: look whether both sides have versions that understand each other.
Many, or from a site that names another, mean that somebody speaks who should not: shut the gateway out and enrol it
again.
"""
STANDBY_BEHIND = "standby.behind"
"""A standby gateway lacks something that the site's own gateway enforces, and has for a minute. Told by the controller.

gateway: The standby.
reasons: What it lacks.

Do: Mend it before it has to take over: cameras would be held more loosely then, or not at all. `bartizan site show`
names what it lacks, `bartizan-agent status` on it says why.
"""
STANDBY_READY = "standby.ready"
"""A standby gateway that was behind enforces all that the site's own gateway does.

gateway: The standby.

Do: Nothing.
"""
CONTAINMENT_APPLIED = "containment.applied"
"""Another ruleset is in force in the gateway's kernel.

ruleset: Its digest, as the posture names it.
devices: How many devices it holds.
milliseconds: From the moment the reason for it was known until the kernel had it.

Do: Nothing.
"""
CONTAINMENT_FAILED = "containment.failed"
"""Something that should be enforced is not. What was in force before stays so.

reason: What the kernel refused, or what goes around the packet filter (a flowtable, a bridge).

Do: Act at once: log in to the gateway, run `bartizan-agent status`, and mend what it names. Until then pull the
cameras' uplink if the site is sensitive.
"""
CONTAINMENT_DRIFT = "containment.drift"
"""Somebody or something changed the gateway's packet filter table, and the agent put it back.

found: What was missing or otherwise.
repaired: `yes` or `no`.

Do: Find out who: another program that flushes the ruleset (`nft flush ruleset`, a firewall service) or a person. If
it was not repaired, act as for containment.failed.
"""
SWITCH_PORT_HELD = "switch.port-held"
"""The port of a managed switch that a device is plugged into was moved to an isolation VLAN or shut down.

switch: The switch, as the gateway's configuration names it.
port: The port, as the switch names it.
how: `vlan` and its number, or `shut down`.

Do: Nothing. The device reaches no neighbour on its switch any more.
"""
SWITCH_PORT_RESTORED = "switch.port-restored"
"""A port that was held was read back as it was before.

switch: The switch.
port: The port.

Do: Nothing, if the device was released, moved or forgotten.
"""
SWITCH_DRIFT = "switch.drift"
"""A held port was found set otherwise. The gateway sets it again as it should be.

switch: The switch.
port: The port.
found: What had to be set again.

Do: Find out who: a person, another program that manages the switch, or a restart that lost its settings. If it comes
again and again, the two will fight for ever: take the port out of the other's hands.
"""
SWITCH_FAILED = "switch.failed"
"""A managed switch could not be read or set. What its ports are set to stays as it is; nobody knows what they hold now.

switch: The switch.
reason: Why: it is silent, lets this user not in, or refuses to be set.

Do: Act as for containment.failed: the devices on it are held by the gateway alone, and reach their neighbours on it.
`bartizan-agent switches` on the gateway shows what the switch says.
"""
GATEWAY_ADDRESSES = "gateway.addresses"
"""The gateway has other addresses on its camera segments than before: at its first start, when somebody sets them, and
when a shared one moves from one gateway of a site to the other (VRRP).

addresses: All that it has now; empty: none.

Do: Of a pair, look why it moved: `bartizan site show SITE` says who has which, and whether the other could take over.
"""
SEGMENT_MISSING = "segment.missing"
"""The gateway has no interface of the name that its configuration has for a camera segment: it was renamed or taken
out, or never was called so. Nothing is lowered by this.

interface: As the configuration names it.
now: What that interface is called now, where the gateway knows. Whatever comes from it or goes to it is held at the
segment's default level, or at a device's own where that is tighter; empty: it is not there.

Do: Act at once where nobody took it out on purpose: an interface that the gateway cannot recognise under its new name
is held by nobody. Give the interface its name back, or the configuration (`interface` in agent.toml, and the site's
signed facts) the new one.
"""
SEGMENT_RETURNED = "segment.returned"
"""The interface of a camera segment that was missing is there again under its name, and held as before.

interface: As the configuration names it.

Do: Nothing.
"""
CONTAINMENT_AMENDED = "containment.amended"
"""A change of containment cut the gateway off from its controller. The gateway let its own way through again, by
itself; everything else of the change is in force, and no device reaches more than before.

path: The way that is let through: one address of the gateway to one address and port of the controller.
because: Which judgements of the change drop that way.

Do: Mend what the change got wrong: a segment named by an interface that leads to the controller, or a device that
claims an address of the gateway or the controller. The way stays let through until then.
"""
CONTAINMENT_RELEASED = "containment.released"
"""Somebody lifted containment of the whole site by hand, on the gateway.

by: Who, as they said.
reason: Why, as they said.
until: When it ends by itself, Unix seconds.

Do: Call them. `bartizan contain SITE --level quarantine --reason …` ends it from afar; `bartizan-agent contain` on
the gateway does so too. Somebody else reviews it afterwards: `bartizan break-glass list`.
"""
CONTAINMENT_TESTED = "containment.tested"
"""A device that nobody knows tried to get out of a camera segment, and was held: by the agent itself, on a schedule and
after each change, or because somebody asked for it.

interface: The segment.
level: At which the segment holds strangers; empty if that is not known.
mac: The one that the test made up; drop counters have it.
ipv4: `blocked`, `not-blocked` or `not-tested`.
ipv4_reason: What that rests on.
ipv6: The same for IPv6.
ipv6_reason: What that rests on.
ruleset: Digest of the ruleset that it was held by.
why: `schedule`, `change`, `order` or `hand`.

Do: Keep it: it is the evidence that the block was seen to work. Run by hand it is told where nothing could be tried,
too: `not-tested` says why.
"""
CONTAINMENT_LEAKS = "containment.leaks"
"""The gateway's own test got out of a camera segment that should hold it. Nothing is loosened by this, and what should
be in force still is wanted: something goes around it.

interface: The segment.
level: At which the segment should hold strangers.
mac: The one that the test made up.
ipv4: `blocked`, `not-blocked` or `not-tested`.
ipv4_reason: What got through: by which interfaces, from where to where.
ipv6: The same for IPv6.
ipv6_reason: What got through.
ruleset: Digest of the ruleset that did not hold it.
why: What made the test run.

Do: Act at once, as for containment.failed: cameras of this site may reach what they must not. `bartizan-agent status`
and `nft list ruleset` on the gateway show what else is there; pull the cameras' uplink if the site is sensitive.
"""
CONTAINMENT_UNTESTED = "containment.untested"
"""The gateway could not test itself. Nothing is known by it: containment may well hold. Told once until the reason is
another.

reason: Why: no spare address, no route, a program or a part of the kernel that is missing.

Do: Nothing at once. Mend what it names, or switch the test off (`self_test_seconds = 0`) and test from a laptop.
"""
EVIDENCE_GAP = "evidence.gap"
"""For a time nobody can prove what the gateway enforced. It measures again now; what it enforces is what it should.

since: Until when it was proven, Unix seconds.
until: From when on it is proven again.
because: Why not: the gateway was restarted, the packet filter was changed while the agent was not running, …

Do: Nothing, if the gateway was restarted or serviced then. A camera that tried nothing in that time may have reached
something in it; `bartizan device attempts` and statements name each gap.
"""
EVIDENCE_OVERFLOW = "evidence.overflow"
"""A device tried more destinations than are listed. All of its packets were dropped; some are only counted.

packets: How many in all, since the gateway began to count them.

Do: Look at the device: it scans, or is part of a botnet. Told once an hour at most.
"""
EVIDENCE_UNHEARD = "evidence.unheard"
"""The gateway cannot copy packets: no headers and no names that devices ask for are kept. All is enforced and counted.

reason: Why not: the kernel has no nfnetlink_log, or another program listens to the same group.

Do: Nothing, if headers are not needed. Otherwise give the gateway a kernel with CONFIG_NETFILTER_NETLINK_LOG.
"""
LEVEL_CHANGED = "level.changed"
"""The kernel holds a device at another level than before.

before: As it was; empty if nothing held it.
after: As it is; empty if nothing holds it any more.
because: Which rule, waiver or order decided it.

Do: If it loosened and nobody signed a policy or waiver for that, ask the approvers.
"""
UPDATE_STEP = "update.step"
"""A camera's update came to its next step, or waits.

rollout: Which one.
image: The image's id.
state: The step: fetch, verify, window, preflight, back-up, write, wait, prove, commit, roll-back.
note: What it waits for, if it waits.

Do: Nothing.
"""
UPDATE_SUCCEEDED = "update.succeeded"
"""A camera runs the new firmware, and was seen to work as before.

rollout: Which one.
image: The image's id.
state: The step in which it ended.
code: `succeeded`, or `already-installed`.
before: The version before.
after: The version now.
serial: Of the unit that answered.
boot_before: What marked its start before.
boot_after: What marks its start now: another, for it restarted.
picture: Width and height of its picture.
codec: Of its stream.

Do: Nothing. This is the evidence that the camera was patched.
"""
UPDATE_FAILED = "update.failed"
"""A camera's update did not succeed.

rollout: Which one.
image: The image's id.
state: The step in which it ended.
end: `failed-before-write` (untouched), `failed-rolled-back` (as before), or `failed-needs-visit`.
code: The cause, for programs.
reason: The same in words.
visit: What whoever goes there should look for, if somebody must.
before: The version before, if the camera was read; so are the fields below.
after: The version now.
serial: Of the unit that answered.
boot_before: What marked its start before.
boot_after: What marks its start now.
picture: Width and height of its picture.
codec: Of its stream.

Do: Send somebody if `end` is failed-needs-visit; `visit` says with what. Otherwise read the reason before you resume
the rollout: what failed once for a reason that stays will fail again.
"""
UPDATE_REFUSED = "update.refused"
"""An image must not go on this camera, or cannot: nothing was done to it.

rollout: Which one.
image: The image's id.
state: The step in which it was found out, if an update had begun.
code: The cause, for programs: refused, image-missing, …
reason: The same in words.

Do: Read the reason. The image is for another model or platform, would be a downgrade, or needs another one first.
"""
CAMERA_REFUSED_LOGIN = "camera.refused-login"
"""A camera refused the user name and password that this site has for it. They are not tried again.

attempts: How many logins it refused within the hour.

Do: Give the right ones with `bartizan credentials set`; new ones are tried at once.
"""
CAMERA_NOT_READ = "camera.not-read"
"""A camera could not be asked who it is and how it is set: it is silent, too slow, or talks rubbish. It stays
contained, the others go on, and it is asked again later. Told once, until the cause is another.

code: The cause, for programs: no-answer, timed-out, too-slow, rubbish, too-large, redirect, broken-off, …
reason: The same in words.

Do: Look at the camera. One that talks rubbish, never ends, or leads elsewhere is broken or not what it claims to be:
isolate it, and look at the spot.
"""
RECORDER_CHANNELS = "recorder.channels"
"""A recorder says that it records other cameras than it said before, or says so for the first time.

cameras: The devices of this site that it records, by id.
strangers: Addresses of its cameras that no known device has.

Do: Nothing, if it is as planned. A camera that is missing is no longer recorded. Strangers are mostly cameras in the
recorder's own network ports: the gateway does not see them and cannot contain them, so look there.
"""
CAMERA_DEFAULT_PASSWORD = "camera.default-password"  # noqa: S105 - the name of an event
"""A camera was tried once with its maker's default password, because the site's signed facts permit it.

outcome: `accepted`, `refused`, or `true` where it said that no password was set at all.

Do: Where it was accepted or none was set, set a password of its own. It is not tried again.
"""
AGENT_STARTED = "agent.started"
"""The agent began to run.

version: Of the agent.
boot: The name of this run; sequence numbers count within it.

Do: Nothing, if the gateway restarted or was upgraded. Several an hour: look at `journalctl -u bartizan-agent`.
"""
AGENT_CLOCK = "agent.clock"
"""The gateway's clock is wrong, or was set.

offset_seconds: How far it jumped, or (negative) how far it is behind the newest time known for sure.

Do: Look at the gateway's time service: expiries and the ends of waivers and releases go by this clock. While it is
behind, devices are held as before and no firmware is installed.
"""
STORE_FULL = "store.full"
"""Events were lost on the gateway, because its disk is full or too many waited for the controller.

reason: Why.
lost: How many.

Do: Free disk space, or bring the gateway back to the controller. Those that reports repeat anyway go first.
"""
STORE_DAMAGED = "store.damaged"
"""A file of the gateway's state could not be used, and was set aside unless the disk was full. What it held is asked
for again; until then the gateway holds devices at least as it did before.

file: Which one.
reason: What is wrong with it.

Do: Once, after a power cut: nothing. If the disk was full: free some space; the agent goes back to it by itself, and
installs no firmware before. Again: replace the gateway's disk.
"""
CREDENTIALS_ACCEPTED = "credentials.accepted"
"""The gateway opened a new book of camera credentials.

devices: For how many single devices it has credentials, beside those for makers.

Do: Nothing.
"""
CERTIFICATE_RENEWED = "certificate.renewed"
"""The gateway has a new certificate.

not_after: Until when it is valid, Unix seconds.

Do: Nothing.
"""

ALL = frozenset(value for name, value in list(globals().items()) if name.isupper() and isinstance(value, str))
