import torch

from cond_diffusion.blocks import LinearAttention, ResBlock


def test_resblock_with_silent_convolutions_is_the_identity():
    block = ResBlock(8, 8)
    torch.nn.init.zeros_(block.conv2.weight)
    torch.nn.init.zeros_(block.conv2.bias)
    x = torch.randn(2, 8, 5, 3)
    assert torch.equal(block(x), x)


def test_resblock_sees_its_own_samples_time():
    block = ResBlock(8, 16, time_width=4)
    x, time = torch.randn(1, 8, 4, 4).expand(2, -1, -1, -1), torch.randn(2, 4)
    both = block(x, time)
    torch.testing.assert_close(both[1:], block(x[:1], time[1:]))
    assert not torch.allclose(both[0], both[1])


def test_linear_attention_against_its_definition():
    # Shen et al. (2021), Eq. (4): softmax_rows(Q) (softmax_columns(K)^T V), here multiplied in
    # the other order, as an N x N attention map over the values.
    torch.manual_seed(0)
    attention = LinearAttention(8, heads=2, head_width=3).double()
    x = torch.randn(1, 8, 2, 3, dtype=torch.float64)
    tokens = attention.norm(x)[0].flatten(1).T  # (6, 8)
    q, k, v = (tokens @ attention.qkv.weight.T).view(6, 3, 2, 3).unbind(1)  # (6, heads, d)
    mixed = []
    for head in range(2):
        attention_map = q[:, head].softmax(1) @ k[:, head].softmax(0).T  # (6, 6)
        mixed.append(attention_map @ v[:, head])
    expected = x + attention.out(torch.cat(mixed, 1)).T.view(1, 8, 2, 3)
    torch.testing.assert_close(attention(x), expected)


def test_linear_attention_moves_with_its_positions():
    attention = LinearAttention(8, heads=1, head_width=4)
    x = torch.randn(1, 8, 4, 4)
    torch.testing.assert_close(attention(x.flip(2)), attention(x).flip(2))
