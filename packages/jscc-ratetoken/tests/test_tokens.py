import torch

from jscc_ratetoken.tokens import RateToken


def test_rate_tokens_start_at_nothing():
    tokens = torch.randn(2, 3, 4)
    assert torch.equal(RateToken(5, 4)(tokens, torch.randint(5, (2, 3))), tokens)


def test_each_token_gets_the_vector_of_its_rate():
    module = RateToken(3, 2)
    with torch.no_grad():
        module.embedding.copy_(torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]))
    moved = module(torch.zeros(1, 3, 2), torch.tensor([[2, 0, 2]]))
    assert moved.tolist() == [[[5.0, 6.0], [1.0, 2.0], [5.0, 6.0]]]


def test_only_the_rates_in_use_learn():
    module = RateToken(3, 2)
    module(torch.zeros(1, 3, 2), torch.tensor([[2, 0, 2]])).sum().backward()
    assert module.embedding.grad.tolist() == [[1.0, 1.0], [0.0, 0.0], [2.0, 2.0]]
